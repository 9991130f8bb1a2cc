"""The keys of a scenario as Markdown tables, from its JSON Schema and its sections' docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from markdown import prose, table

from twin import distributions as laws
from twin import units
from twin.scenario import fault_class, repair, workload
from twin.scenario.distributions import _LAWS
from twin.scenario.levels import JOB_OR_LEVELS, LEVELS
from twin.scenario.load import schema_json
from twin.scenario.schema import Scenario
from twin.scenario.section import Section

_MOST_LISTED = 9  # longer lists of names are left to `twin catalog`


def _choices(tagged: Any) -> dict[str, type[Section]]:
    """Key -> section of a field that takes one key out of several."""
    return dict(get_args(tagged)[1].sections)


TAGGED = {
    "transforms": _choices(workload.Transform),
    "arrivals": _choices(workload.Arrivals),
    "estimates": _choices(workload.Estimates),
    "effects": _choices(fault_class.Effect),
}
# Sections that the schema writes out where they are used, and that have a table all the same.
INLINE = (repair.Stage, repair.DatedTime)


def section_names() -> list[str]:
    """The sections that the page has a table for, each by `keys`."""
    inline = {section.__name__ for choices in TAGGED.values() for section in choices.values()}
    of_laws = {name for name in _definitions() if " of " in name}
    own = {section.__name__ for section in INLINE}
    return ["Scenario", *sorted((set(_definitions()) | own) - inline - of_laws)]


def keys(section: str) -> Iterator[str]:
    """One row for each key of a section."""
    cls = _class(section)
    whole = schema_json() if cls is Scenario else _mapping(_definition(cls))
    rows = []
    for key, value in whole["properties"].items():
        form, unit = _form(value)
        rows.append((f"`{key}`", form, unit, _default(key, value, cls), value["description"]))
    return table(("key", "value", "unit inside", "default", "meaning"), rows)


def forms(of: str) -> Iterator[str]:
    """One row for each key of which exactly one is given."""
    rows = []
    for key, section in TAGGED[of].items():
        below = _mapping(section.model_json_schema(by_alias=True))["properties"]
        if section.bare:
            written = f"`{key}:` {_form(below[section.key_of(section.bare)])[0]}"
        else:
            options = [f"`{name}`: {_form(value)[0]}" for name, value in below.items()]
            written = f"`{key}`" + (f" with {'; '.join(options)}" if options else "")
        rows.append((written, prose(section.__doc__)))
    return table(("key and value", "meaning"), rows)


def distributions(_: str) -> Iterator[str]:
    """One row for each law."""
    rows = []
    for law, parameters in _LAWS.items():
        names = ", ".join(f"{name}: ..." for name in parameters)
        written = "constant: ..." if law == "constant" else f"{law}: {{{names}}}"
        rows.append((f"`{{{written}}}`", prose(getattr(laws, law.capitalize()).__doc__)))
    return table(("law", "meaning"), rows)


def _definitions() -> dict[str, Any]:
    definitions: dict[str, Any] = schema_json()["$defs"]
    return definitions


def _definition(section: type[Section]) -> dict[str, Any]:
    written_out = section.model_json_schema(by_alias=True) if section in INLINE else None
    definition: dict[str, Any] = written_out or _definitions()[section.__name__]
    return definition


def _class(name: str) -> type[Section]:
    if name == "Scenario":
        return Scenario
    sections = Section.__subclasses__()
    for cls in sections:
        sections += cls.__subclasses__()
    return next(cls for cls in sections if cls.__name__ == name)


def _mapping(definition: dict[str, Any]) -> dict[str, Any]:
    """The mapping form of a section that may also be written as plain text."""
    if "properties" in definition:
        return definition
    return next(form for form in definition["anyOf"] if "properties" in form)


def _default(key: str, value: dict[str, Any], cls: type[Section]) -> str:
    for group in cls.alternatives:
        if key in map(cls.key_of, group):
            return f"**one of {', '.join(f'`{cls.key_of(field)}`' for field in group)}**"
    if any(info.alias == key and info.is_required() for info in cls.model_fields.values()):
        return "**required**"
    default = value.get("default")
    if isinstance(default, list) and default:
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{default}`" if default else ""


def _form(value: dict[str, Any]) -> tuple[str, str]:
    """What a key may hold, in words, and the SI unit in which it is kept."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        forms = _definitions()[name].get("anyOf", ())
        number = any(each.get("type") == "number" for each in (forms or [{}])[0].get("anyOf", ()))
        either = " or a number" if number else " or a name" if forms else ""
        return f"a mapping{either}: [{name}](#{name.lower()})", ""
    if "anyOf" in value:
        return _one_of(value)
    if "const" in value:
        return f"`{value['const']}`", ""
    if "enum" in value:
        return _names(value["enum"]), ""
    kind = value.get("type")
    if kind == "array" and "prefixItems" in value:
        return f"[{', '.join(_form(each)[0] for each in value['prefixItems'])}]", ""
    if kind == "array":
        return f"a list, each {_form(value['items'])[0]}", ""
    if kind == "object":
        return _pairs(value), ""
    if kind == "string" and "examples" in value:
        return _quantity(value)
    if kind == "boolean":
        return "`true` or `false`", ""
    return (_number(value) if kind in ("integer", "number") else "text"), ""


def _one_of(value: dict[str, Any]) -> tuple[str, str]:
    some = [form for form in value["anyOf"] if form != {"type": "null"}]
    if "examples" in value:
        return _law(value)
    written = [key for form in some for key in _keys_of(form)]
    for home, choices in TAGGED.items():
        if set(choices) <= set(written):
            shown = dict.fromkeys(written)
            return f"[one of {', '.join(f'`{key}`' for key in shown)}](#{home})", ""
    if {"type": "string"} in some:  # a policy: known names are offered, others taken
        return f"{_names(some[0]['enum'])} or one of your own", ""
    if len(some) == 2 and some[1].get("items") == some[0]:
        return f"{_form(some[0])[0]}, or a list of such", ""
    parts = [_form(form) for form in some]
    return " or ".join(text for text, _ in parts), next((unit for _, unit in parts if unit), "")


def _law(value: dict[str, Any]) -> tuple[str, str]:
    """A law, and what may stand in its place."""
    text, unit = f"[a distribution](#distributions), such as `{value['examples'][0]}`", ""
    forms = value["anyOf"]
    if "pattern" in forms[0]:
        alone, unit = _quantity(forms[0])
        text = f"{alone}, or [a distribution](#distributions)"
    if "dated" in {key for form in forms for key in form.get("properties", ())}:
        text += ", or [dated](#datedtime)"
    if any(form.get("type") == "array" for form in forms):
        text += ", or a list of [stages](#stage)"
    return text, unit


def _keys_of(form: dict[str, Any]) -> list[str]:
    return (
        [form["const"]] if "const" in form else form.get("enum", list(form.get("properties", ())))
    )


def _names(names: list[str]) -> str:
    if {*LEVELS} <= {*names} <= {*JOB_OR_LEVELS}:
        return "`job` or a [level](#faultclass)" if "job" in names else "a [level](#faultclass)"
    if len(names) > _MOST_LISTED:
        return f"`{names[0]}` or another of the catalog"
    return ", ".join(f"`{name}`" for name in names)


def _pairs(value: dict[str, Any]) -> str:
    named = value.get("patternProperties")
    below = next(iter(named.values())) if named else value["additionalProperties"]
    text = named or "propertyNames" in value
    what = "counts" if below.get("type") == "number" and not text else "names"
    return f"a mapping from {what} to {_form(below)[0]}"


def _quantity(value: dict[str, Any]) -> tuple[str, str]:
    about = value["description"]
    for dimension in units.DIMENSIONS:
        plain = about == f"{dimension.name} with its unit"
        if plain or ("pattern" in value and value["examples"] == [dimension.example]):
            return f"{dimension.name}, such as `{dimension.example}`", dimension.si
    return f"{about}: {', '.join(f'`{e}`' for e in value['examples'])}", ""


def _number(value: dict[str, Any]) -> str:
    kind = "a whole number" if value["type"] == "integer" else "a number"
    if "exclusiveMinimum" in value:
        most = f", at most {value['maximum']:g}" if "maximum" in value else ""
        return f"{kind} above {value['exclusiveMinimum']:g}{most}"
    low, high = value.get("minimum"), value.get("maximum", 10**6)
    return f"{kind} from {low} to {high}" if high < 10**6 else f"{kind}, {low:g} or above"
