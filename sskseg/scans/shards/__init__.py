"""Shards: processes that count one scan together, without a scheduler."""

from .group import Shard, ShardGroup, check_shard, shard_status
from .workers import ShardWorkers

__all__ = ["Shard", "ShardGroup", "ShardWorkers", "check_shard", "shard_status"]
