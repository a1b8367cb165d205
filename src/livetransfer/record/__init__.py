"""What happened in a transfer: its record, where that goes; its trace and its metrics."""

from .briefings import briefing_ended
from .model import TransferRecord, published_schema
from .reading import RecordError, read_record, read_records
from .recorder import Recorder
from .records import Records
from .sinks.function import FunctionSink
from .sinks.lines_file import JsonLinesSink
from .sinks.port import RecordSink
from .sinks.sql import SqlSink
from .sinks.webhook import WebhookSink, signature
from .telemetry import Telemetry

__all__ = [
    "FunctionSink",
    "JsonLinesSink",
    "RecordError",
    "RecordSink",
    "Recorder",
    "Records",
    "SqlSink",
    "Telemetry",
    "TransferRecord",
    "WebhookSink",
    "briefing_ended",
    "published_schema",
    "read_record",
    "read_records",
    "signature",
]
