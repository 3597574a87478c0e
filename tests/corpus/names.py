"""Sound pictures under names of every script and every intention."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.sample import ACCEPTED, Sample, encoded, noise

NAMES = (
    # scripts
    "célula-linfoide-ñ.png", "клетка.png", "κύτταρο.png", "细胞.png", "細胞.png", "さいぼう.png",
    "세포.png", "خلية.png", "תא.png", "कोशिका.png", "কোষ.png", "செல்.png", "కణం.png", "เซลล์.png",
    "ເຊລ.png", "ဆဲလ်.png", "កោសិកា.png", "უჯრედი.png", "բջիջ.png", "ሕዋስ.png", "ᏣᎳᎩ.png", "ᠡᠰ.png",
    "སྐྲ.png", "සෛලය.png", "ഓഹരി.png", "ਸੈੱਲ.png", "𐌰𐌱𐌲.png", "𒀀𒁀.png", "🩸🔬.png",
    "e\u0301e\u0301.png",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢.png", "ﬁﬂ.png", "Ⅷ½.png",
    # intentions
    "../../../../etc/passwd", "..\\..\\windows\\system32\\cell.png", "/etc/cron.d/cell",
    "C:\\cell.png",
    "\\\\server\\share\\cell.png", "....//....//cell.png", "%2e%2e%2fcell.png", "cell.png%00.html",
    "cell.php", "cell.png.html", "cell.svg", ".htaccess", "~root", "-rf", "--help.png", "con.png",
    "NUL", "aux.png.", " .png", ".", "..", "...", "cell.png ", "a" * 300 + ".png", "a." * 120,
    "<img src=x onerror=alert(1)>.png", "'; DROP TABLE cases_caseimage; --.png", "{{ 7*7 }}.png",
    "${jndi:ldap:127.0.0.1}.png", "%s%n%x.png", "=1+1.png", "\u202egpj.exe", "a\u200bb\ufeffc.png",
    "line\u2028break.png", "tab\tname.png", "quote\".png", "semi;colon.png",
    "comma,.png", "&amp;.png",
    "#fragment.png", "?query.png", "cell:stream.png", "`id`.png", "$(id).png", "|id.png",
)  # fmt: skip


# A form's part with one of these names is no file for Django: the request holds none.
NO_NAMES = (".", "..")


def samples() -> Iterator[Sample]:
    for seed, name in enumerate(NAMES):
        outcomes = () if name in NO_NAMES else (ACCEPTED,)
        yield Sample("name", name, encoded(noise(600 + seed, (16, 16)), "PNG"), outcomes)
