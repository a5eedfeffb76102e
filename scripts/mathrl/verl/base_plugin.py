"""What verl imports of ours even where its own plain trainer works (mathrl.checks.plain_grpo): closed doors, and any tokenizer."""

from __future__ import annotations

from types import ModuleType

from mathrl.verl import doors
from mathrl.verl.after_import import after_import


def render_by_the_chat_template(module: ModuleType) -> None:
    """Let models of DeepSeek-V3's shape train with whatever tokenizer they have.

    verl joins the turns of a dialogue by rules that it looks up by model_type, and for deepseek_v3 refuses a tokenizer without
    DeepSeek's end-of-sentence token. OpenSeek has Qwen's tokens. A problem is one turn, which verl's general rule renders by the
    chat template.
    """
    module._MODEL_TYPE_TO_FAMILY.pop("deepseek_v3", None)


doors.close()
after_import("verl.utils.tokenizer.continuous_token_wiring", render_by_the_chat_template)
