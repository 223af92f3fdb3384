"""What a benchmark found, for people: its page, several of them compared, and a leaderboard over many.

`write_page(result, folder, table)`, `compare(results)` with `write_comparison`, and `write_leaderboard(folders, path)`.
"""

from facevid.bench.page.alike import Difference, differences
from facevid.bench.page.compare import Comparison, Row, Value, compare
from facevid.bench.page.compare_page import write_comparison
from facevid.bench.page.leaderboard import write_leaderboard
from facevid.bench.page.write import write_page

__all__ = [
    "Comparison",
    "Difference",
    "Row",
    "Value",
    "compare",
    "differences",
    "write_comparison",
    "write_leaderboard",
    "write_page",
]
