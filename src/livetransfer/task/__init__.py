"""WarmTransferTask: a drop-in for the class of that name in livekit-agents."""

from __future__ import annotations

from .failure import WarmTransferError, WarmTransferFailure
from .warm_transfer_task import WarmTransferResult, WarmTransferTask

__all__ = ["WarmTransferError", "WarmTransferFailure", "WarmTransferResult", "WarmTransferTask"]
