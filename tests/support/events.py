"""TensorBoard event files for tests."""


def write_events(directory, rows, name=None):
    """An event file as TensorBoard's own writer makes it; rows are (step, tag, value)."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    before = set(directory.glob("*")) if directory.is_dir() else set()
    writer = EventFileWriter(str(directory))
    for step, tag, value in rows:
        writer.add_event(Event(wall_time=1, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)])))
    writer.close()
    (made,) = set(directory.glob("*")) - before
    return made.rename(directory / name) if name else made
