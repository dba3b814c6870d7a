"""The words of prompts that do not depend on the strategy, in each language."""

from dataclasses import dataclass

from mhclf.errors import ConfigError
from mhclf.registry import nearest


@dataclass(frozen=True)
class Wording:
    """Fixed words of one language; names in braces are filled in.

    Attributes
    ----------
    question, choice_question : str
        For a data set without one; for one whose rows have options of their own.
    asks_one : str
        The yes-or-no question about one label.
    yes, no, none : str
    before, source, example : str
        What was said before a post; a post in the prompt; an example and its answer.
    options, own_options, described : str
        The list of answers; what stands above those of a row, a line each; an answer with its description.
    constraint, letter_constraint, joint_constraint : str
        How the answer has to look.
    platform, expert : str
        What may stand beforehand: where the post comes from, in which role to answer.
    explain : str
        Asks for the reasons after the label.
    cues, no_cues : str
        Emotion words of the post.
    separator : str
        Between words of a list.
    """

    question: str
    choice_question: str
    asks_one: str
    yes: str
    no: str
    none: str
    before: str
    source: str
    example: str
    options: str
    own_options: str
    described: str
    constraint: str
    letter_constraint: str
    joint_constraint: str
    platform: str
    expert: str
    explain: str
    cues: str
    no_cues: str
    separator: str


WORDINGS = {
    "en": Wording(
        question="Which label fits the post?",
        choice_question="Which answer is right?",
        asks_one="Does the post show {label}?",
        yes="yes",
        no="no",
        none="none",
        before='Said before: "{context}"\n',
        source='Post: "{post}"',
        example="{source}\n{question}\nAnswer: {answer}\n\n",
        options="Possible answers: {options}.",
        own_options="Possible answers:",
        described="{option} ({description})",
        constraint="Answer with one of these words and nothing else.",
        letter_constraint="Answer with the letter of one option and nothing else.",
        joint_constraint="Name every answer that fits, or none, and nothing else.",
        platform="The following post was written on social media.\n",
        expert="Answer as a psychologist who reads posts for a research study.\n",
        explain="Explain in two or three sentences which words of the post led to the answer '{answer}'.",
        cues="Emotion words in the post: {cues}.",
        no_cues="The post holds no plain emotion word.",
        separator=", ",
    ),
    "zh": Wording(
        question="哪个标签符合这段文字？",
        choice_question="哪个答案是正确的？",
        asks_one="这段文字是否体现“{label}”？",
        yes="是",
        no="否",
        none="无",
        before="此前的对话：“{context}”\n",
        source="文字：“{post}”",
        example="{source}\n{question}\n答案：{answer}\n\n",
        options="可选答案：{options}。",
        own_options="可选答案：",
        described="{option}（{description}）",
        constraint="请只回答其中一个词，不要回答其他内容。",
        letter_constraint="请只回答一个选项的字母，不要回答其他内容。",
        joint_constraint="请列出所有符合的答案；如果都不符合，请回答“无”。不要回答其他内容。",
        platform="以下文字来自社交媒体。\n",
        expert="请以心理学家的身份为一项研究作答。\n",
        explain="请用两三句话说明文字中的哪些词语使你得出答案“{answer}”。",
        cues="文字中的情绪词：{cues}。",
        no_cues="文字中没有明显的情绪词。",
        separator="、",
    ),
}


def wording_of(language: str) -> Wording:
    """Return the words of a language.

    Raises
    ------
    ConfigError
        If there are none; says how prompts in that language can be had.
    """
    if language not in WORDINGS:
        raise ConfigError(
            f"language: prompts are worded in {', '.join(sorted(WORDINGS))}, not in '{language}'."
            f"{nearest(language, WORDINGS)} Add its words to WORDINGS in mhclf/generation/wording.py."
        )
    return WORDINGS[language]
