"""A key-value cache with room to grow: a decoding step writes into it instead of copying all that came before."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import DynamicCache

ROOM = 64  # tokens that are added at once


def make_cache() -> "DynamicCache":
    """An empty cache; a drop-in for transformers' DynamicCache."""
    import torch
    from transformers import DynamicCache

    class RoomyCache(DynamicCache):
        def __init__(self) -> None:
            super().__init__()
            self._rooms: dict[tuple[str, int], torch.Tensor] = {}

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, cache_kwargs: Any = None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            if len(self.key_cache) == layer_idx:
                self.key_cache.append(key_states[..., :0, :])
                self.value_cache.append(value_states[..., :0, :])
            if layer_idx == 0:
                self._seen_tokens += key_states.shape[-2]
            self.key_cache[layer_idx] = self._append(("key", layer_idx), self.key_cache[layer_idx], key_states)
            self.value_cache[layer_idx] = self._append(("value", layer_idx), self.value_cache[layer_idx], value_states)
            return self.key_cache[layer_idx], self.value_cache[layer_idx]

        def batch_select_indices(self, indices: torch.Tensor) -> None:
            super().batch_select_indices(indices)
            self._rooms.clear()

        def batch_repeat_interleave(self, repeats: int) -> None:
            super().batch_repeat_interleave(repeats)
            self._rooms.clear()

        def _append(self, name: tuple[str, int], old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
            length = old.shape[-2] + new.shape[-2]
            if name not in self._rooms or self._rooms[name].shape[-2] < length:
                self._rooms[name] = new.new_empty(*new.shape[:-2], length + ROOM, new.shape[-1])
                self._rooms[name][..., : old.shape[-2], :] = old
            self._rooms[name][..., old.shape[-2] : length, :] = new
            return self._rooms[name][..., :length, :]

    return RoomyCache()
