"""The OpenAI batch protocol: requests sent by file, answered within a day, at a lower price."""

from .client import BatchClient, BatchJournal, OpenBatch, PollInterval, custom_id
from .job import MOST_IN_A_BATCH, BatchLimits
from .queue import BatchQueue, check_batchable, open_batch_queue

__all__ = [
    "MOST_IN_A_BATCH",
    "BatchClient",
    "BatchJournal",
    "BatchLimits",
    "BatchQueue",
    "OpenBatch",
    "PollInterval",
    "check_batchable",
    "custom_id",
    "open_batch_queue",
]
