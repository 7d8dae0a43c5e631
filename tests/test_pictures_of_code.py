"""The site shows below the code of a page what it draws."""

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pictures_of_code = pytest.importorskip("pictures_of_code")

PAGE = """# Lines

```python
import matplotlib.pyplot as plt

figure, ax = plt.subplots()
print("drawn")
```

```output
drawn
```

Then:

```python
height = 2
```

```python
plt.plot([0, height])
plt.title("a line [nats]")
```

```python
1 / 0  # not run: it draws nothing, and nothing behind it does
```
"""


def test_pictures_follow_the_blocks_that_draw_them(tmp_path, capsys):
    page = pictures_of_code.with_pictures(PAGE, tmp_path / "drawn", "lines")
    expected = PAGE.replace(
        "```output\ndrawn\n```\n", "```output\ndrawn\n```\n\n![](lines-1.svg)\n"
    ).replace('nats]")\n```\n', 'nats]")\n```\n\n![a line nats](lines-2.svg)\n')
    assert page == expected
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {
        "lines-1.svg",
        "lines-2.svg",
    }
    assert capsys.readouterr().out == ""
    assert matplotlib.pyplot.get_fignums() == []


def test_code_that_fails_fails_the_build(tmp_path):
    page = "```python\n1 / 0\nplt.figure()\n```\n"
    with pytest.raises(ZeroDivisionError):
        pictures_of_code.with_pictures(page, tmp_path, "page")
