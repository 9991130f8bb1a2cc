"""Finished runs in formats that other tools read: SWF, Batsim's CSV of jobs, trace events.

Everything is read from the run directory; nothing of a run is ever changed.
"""

from twin.export.exporting import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
