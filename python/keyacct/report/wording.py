"""Words that every format prints, in both languages."""

from __future__ import annotations

from keyacct.i18n import Text

ACCOUNT_NO = Text("Account no.", "户号")
ACCOUNT_NAME = Text("Account name", "户名")
PERIOD = Text("Period", "统计期")
GENERATED = Text("Generated", "生成时间")
INPUTS = Text("Digest of inputs (SHA-256)", "输入数据摘要 (SHA-256)")
SUMMARY = Text("Summary", "概览")
FACTS = Text("Account", "客户信息")
FIGURES = Text("Key figures", "主要指标")
PARAMETERS = Text("Parameters", "计算参数")
NOTES = Text("Notes", "说明")
DICTIONARY = Text("Data dictionary", "数据字典")
CHARTS = Text("charts", "图表")
CHART_DATA = Text("Chart data", "图表数据")
DETAIL = Text("show", "展开")
ROWS = Text("rows", "行")
MISSING = Text("Missing values", "缺值原因")
FIGURE = Text("Figure", "指标")
VALUE = Text("Value", "数值")
UNIT = Text("Unit", "单位")
ASSESSMENT = Text("Assessment", "评价")
REMARK = Text("Remark", "备注")
TABLE = Text("Table", "表")
COLUMN = Text("Column", "列")
KEY = Text("Key", "键名")
DEFINITION = Text("Definition", "定义")
SOURCE = Text("Source", "依据")
DECIMALS = Text("Decimals", "小数位")
REPORTS = Text("Reports", "报告目录")
FILES = Text("Files", "文件")
CONTENTS = Text("Contents", "目录")
TO = Text("to", "至")
PAGE = Text("Page", "页")
APPENDIX = Text("Appendix: detailed tables", "附表: 明细数据")
LEVELS = {
    "info": Text("Info", "说明"),
    "warning": Text("Attention", "注意"),
    "rule": Text("Rule", "规则"),
}
LOWEST = Text("lowest", "最低")
HIGHEST = Text("highest", "最高")
NO_GLYPH = Text(
    "The font {font} lacks these characters, they cannot be read here: {signs}.",
    "字体 {font} 缺少以下字符, 本页无法显示: {signs}。",
)
