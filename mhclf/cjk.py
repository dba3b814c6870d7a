"""Scripts that are written without spaces between words: each sign counts as a word of its own."""

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
"""Chinese, Japanese and Korean signs, as ranges for a class of a regular expression."""
