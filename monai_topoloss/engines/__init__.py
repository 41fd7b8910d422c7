"""What MONAI's engines need to hand a precomputed skeleton to a loss."""

from monai_topoloss.engines.prepare_batch import PrepareBatchSkeleton

__all__ = ["PrepareBatchSkeleton"]
