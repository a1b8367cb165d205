"""TransferTools: what a model is handed to transfer callers with."""

from __future__ import annotations

from .transfer_tools import TransferTools

__all__ = ["TransferTools"]
