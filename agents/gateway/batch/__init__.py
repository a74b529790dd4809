"""The OpenAI batch protocol: requests sent by file, answered within a day, at a lower price."""

from .chat_desk import ChatDesk
from .client import BatchClient
from .desk import BatchDesk
from .interval import Interval
from .journal import BatchJournal, OpenBatch
from .line import custom_id
from .open import check_batchable, open_desk
from .parcel import MOST_IN_A_BATCH, BatchLimits
from .progress import BatchProgress
from .route import Oddity

__all__ = [
    "MOST_IN_A_BATCH",
    "BatchClient",
    "BatchDesk",
    "BatchJournal",
    "BatchLimits",
    "BatchProgress",
    "ChatDesk",
    "Interval",
    "Oddity",
    "OpenBatch",
    "check_batchable",
    "custom_id",
    "open_desk",
]
