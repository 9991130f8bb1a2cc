"""What the user wrote becomes what stands there, noun by noun; `twin.build` puts it together."""
