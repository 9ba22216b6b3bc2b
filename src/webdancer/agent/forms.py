"""One form for what is written in many: numbers, dates, units, ordinals, markup, traditional characters.

Used by `agent.normalise.match`, so by 04_filter (correctness by rule), 07_evaluate (verdicts) and the table of judges.
In: a text. Out: the same text with every number as digits, every full date as one word, every unit as its symbol.
The reward of 06_dapo does not use it: there a policy has to give the answer as it is. Departure from the paper: it has
no rule at all, GPT-4o judges there. English and Chinese; what other languages spell out stays as it is.
"""

import html
import re

MONTHS = "january february march april may june july august september october november december".split()
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINALS = dict(
    zip(
        "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
        "sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        ["3rd", *(f"{n}th" for n in range(4, 21))],
        strict=True,
    )
)  # "first" and "second" are left alone: they are ordinary words too often
UNITS = {
    "km": "kilometre kilometres kilometer kilometers kms",
    "m": "metre metres meter meters",
    "cm": "centimetre centimetres centimeter centimeters",
    "mm": "millimetre millimetres millimeter millimeters",
    "kg": "kilogram kilograms kilogramme kilogrammes kgs",
    "percent": "percentage",
    "dollar": "dollars usd",
    "euro": "euros eur",
}
# Traditional and simplified form of common characters; a full conversion needs a dictionary of words.
TRADITIONAL = (
    "廣广 東东 國国 臺台 灣湾 學学 會会 長长 門门 時时 間间 書书 記记 開开 關关 電电 車车 馬马 鳥鸟 魚鱼 龍龙 "
    "龜龟 島岛 齊齐 黃黄 華华 葉叶 陳陈 張张 劉刘 趙赵 楊杨 吳吴 鄭郑 謝谢 許许 鄧邓 馮冯 蔣蒋 韓韩 鄒邹 陸陆 "
    "賴赖 蘇苏 蘭兰 藝艺 術术 館馆 園园 橋桥 鐵铁 鋼钢 銀银 錢钱 貝贝 員员 買买 賣卖 頭头 體体 與与 來来 對对 "
    "說说 語语 讀读 話话 請请 論论 議议 詩诗 詞词 誰谁 調调 證证 識识 設设 計计 訂订 戰战 歲岁 歷历 曆历 號号 "
    "億亿 萬万 兩两 個个 們们 這这 為为 後后 發发 經经 濟济 業业 產产 農农 務务 區区 縣县 鄉乡 鎮镇 鄰邻 綠绿 "
    "紅红 純纯 紙纸 線线 組组 織织 統统 終终 結结 給给 絕绝 繼继 續续 緣缘 網网 羅罗 義义 習习 聖圣 聯联 聲声 "
    "職职 腦脑 臨临 舊旧 舉举 興兴 應应 導导 將将 專专 尋寻 屬属 層层 幣币 師师 帶带 幾几 庫库 廟庙 廠厂 廳厅 "
    "彈弹 強强 當当 錄录 態态 戲戏 戶户 掃扫 損损 據据 揚扬 換换 擇择 擊击 擔担 擁拥"
).split()
CHINESE_DIGITS = dict(zip("〇零一二两三四五六七八九", (0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}

_MONTH = {name[:length]: n for n, name in enumerate(MONTHS, 1) for length in (3, len(name))} | {"sept": 9}
_NAMES = "|".join(sorted(_MONTH, key=len, reverse=True))
_DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_DATES = [
    re.compile(r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>\d{4}) ?年 ?(?P<m>\d{1,2}) ?月 ?(?P<d>\d{1,2}) ?[日号]"),
    re.compile(rf"\b{_DAY}(?: of)? (?P<m>{_NAMES})\b\.?,? (?P<y>\d{{4}})\b"),
    re.compile(rf"\b(?P<m>{_NAMES})\b\.? {_DAY},? (?P<y>\d{{4}})\b"),
    re.compile(r"(?<!\d)(?P<d>1[3-9]|2\d|3[01])[/.](?P<m>0?[1-9]|1[0-2])[/.](?P<y>\d{4})(?!\d)"),  # not ambiguous
    re.compile(r"(?<!\d)(?P<m>0?[1-9]|1[0-2])[/.](?P<d>1[3-9]|2\d|3[01])[/.](?P<y>\d{4})(?!\d)"),
]
_SMALL = {w: n for n, w in enumerate(ONES)} | {w: 10 * n for n, w in enumerate(TENS, 2)}
_WORD = rf"(?:{'|'.join([*TENS, *ONES[::-1]])}|hundred|{'|'.join(SCALES)})"
_NUMBER_WORDS = re.compile(rf"\b{_WORD}(?:(?:,? and |,? |-){_WORD})*\b")
_SCALED = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?) ?({'|'.join(SCALES)}|bn)\b(?! ?\d)")
_ROMAN = re.compile(r"(?<=[^\W\d_]{2} )(?=[XVI]{2}|[XV])(X{0,3})(IX|IV|V?I{0,3})\b(?![.'’])")
_CHINESE_NUMBER = re.compile(rf"[{''.join(CHINESE_DIGITS)}十百千]+(?=[万亿]?)")
_COUNTED = "年月日个名人回首米岁章次座家位条万亿"  # behind these a single numeral is a number
_FROM_TRADITIONAL = str.maketrans(dict(TRADITIONAL))


def canonical(text: str) -> str:
    """The text in lower case with one form for numbers, dates, ordinals, units and markup.

    A full date becomes one word `dateYYYYMMDD`, so that its day is no number of its own.

    >>> canonical("**Three and a half**: 3.5 million km, 45%, $2 billion")
    '**3 and a half**: 3500000 km, 45 percent , 2000000000 dollar '
    >>> canonical("On 19th March 1932, in the 1930-1939 decade; Louis XVI")
    'on date19320319, in the 1930s decade; louis 16'
    >>> canonical("一九四五年八月十五日，共三百首")
    'date19450815，共300 首'
    """
    text = _roman(_markup(text)).translate(_FROM_TRADITIONAL).lower()
    text = _chinese_numbers(text)
    text = re.sub(r"(?<=\d)[,\u00a0\u202f ](?=\d{3}(?!\d))", "", text)
    text = _number_words(text)
    text = re.sub(r"\$ ?(\d[\d.]*(?: (?:thousand|million|billion|trillion|bn)\b)?)", r"\1 dollar ", text)
    text = _SCALED.sub(_scaled, text)
    text = re.sub(r"(?<=\d) ?(?:%|per cent\b)", " percent ", text)
    for pattern in _DATES:
        text = pattern.sub(_date, text)
    text = re.sub(r"\b(\d\d)(\d)0 ?[-–] ?\1?\2(?:9)\b", r"\1\g<2>0s", text)
    for symbol, words in UNITS.items():
        text = re.sub(rf"(?<=\d )(?:{words.replace(' ', '|')})\b", symbol, text)
    return re.sub(rf"\b(?:{'|'.join(ORDINALS)})\b", lambda m: ORDINALS[m[0]], text)


def _markup(text: str) -> str:
    """The text behind LaTeX, HTML and Markdown links; what is struck through goes."""
    text = html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", text))
    text = re.sub(r"\$+([^$]*(?:\\|\{,\})[^$]*)\$+", r" \1 ", text).replace("{,}", ",")  # formulas, not dollars
    text = re.sub(r"~~.*?~~", " ", text, flags=re.DOTALL)
    text = re.sub(r"\\d?frac\{(\w+)\}\{(\w+)\}", r"\1/\2", text)
    text = re.sub(r"\\(?:boxed|text|mathrm|textbf)\{([^{}]*)\}", r"\1", text)
    return re.sub(r"\[([^\[\]]*)\]\([^()\s]*\)", r"\1", text)


def _date(found: re.Match[str]) -> str:
    """One word for a full date; what cannot be a date stays."""
    month = int(found["m"]) if found["m"].isdigit() else _MONTH[found["m"]]
    day = int(found["d"])
    return f"date{found['y']}{month:02}{day:02}" if 1 <= month <= 12 and 1 <= day <= 31 else found[0]


def _scaled(found: re.Match[str]) -> str:
    """`3.5 million` as digits."""
    factor = SCALES.get(found[2], 10**9)
    value = round(float(found[1]) * factor, 6)
    return str(int(value)) if value == int(value) else str(value)


def _number_words(text: str) -> str:
    """English number words as digits; a lone "one" stays, it is a pronoun more often than a number."""

    def value(found: re.Match[str]) -> str:
        words = [w for w in re.split(r"[\s,-]+", found[0]) if w != "and"]
        alone = words == ["one"] and found[0] != text.strip(" .!*")
        read = None if alone or words[0] in ("hundred", *SCALES) else _value_of(words)
        return found[0] if read is None else str(read)

    return _NUMBER_WORDS.sub(value, text)


def _value_of(words: list[str]) -> int | None:
    """The number that the words say, None if they say several (such as "five six")."""
    total, group, last = 0, 0, 10**15
    for word in words:
        if word in SCALES:
            if SCALES[word] >= last or not group:
                return None
            total, group, last = total + group * SCALES[word], 0, SCALES[word]
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group *= 100
        else:
            n = _SMALL[word]
            room = group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and n < 10)
            if not room or (n == 0 and len(words) > 1):
                return None
            group += n
    return total + group


def _roman(text: str) -> str:
    """A Roman numeral behind a capitalised word as digits; "I" alone stays."""

    def value(found: re.Match[str]) -> str:
        before = re.search(r"(\w+) $", text[: found.start()])
        ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
        if not found[0] or not before or not before[1][0].isupper():
            return found[0]
        return str(10 * len(found[1]) + ones.index(found[2]))

    return _ROMAN.sub(value, text)


def _chinese_numbers(text: str) -> str:
    """Chinese numerals as digits, set off from what follows; a single one only where something is counted."""

    def value(found: re.Match[str]) -> str:
        run, behind = found[0], text[found.end() : found.end() + 1]
        whole = run == text.strip(" 。.")
        if len(run) == 1 and not whole and (behind not in _COUNTED or not behind):
            return run
        read = _chinese_value(run)
        return run if read is None else read

    text = _CHINESE_NUMBER.sub(value, text)
    for sign, factor in (("万", 10**4), ("亿", 10**8)):
        text = re.sub(rf"(\d+(?:\.\d+)?) ?{sign}", lambda m, f=factor: str(round(float(m[1]) * f)), text)
    return re.sub(r"(?<=\d)(?=[\u4e00-\u9fff])(?![年月日号])", " ", text)


def _chinese_value(run: str) -> str | None:
    """`三百` is 300, `一九四五` is read digit by digit; None for what is neither."""
    if all(sign in CHINESE_DIGITS for sign in run):
        return "".join(str(CHINESE_DIGITS[sign]) for sign in run)
    total, digit = 0, None
    for sign in run:
        if sign in CHINESE_DIGITS:
            digit = CHINESE_DIGITS[sign]
        else:
            total += (1 if digit is None else digit) * CHINESE_UNITS[sign]
            digit = None
    return str(total + (digit or 0))
