"""The reports that the office's rules ask for and whose data nothing feeds yet: each says what it needs."""

from __future__ import annotations

from keyacct.i18n import Text
from keyacct.report.kind import Kind

UNAVAILABLE: tuple[Kind, ...] = (
    Kind("anomaly", Text("Anomaly handling", "异常处理报表"), "2.6.6",
         Text("anomaly detection and its cases", "异常检测及其工单")),
    Kind("forecast", Text("Load forecast statistics", "负荷预测统计报表"), "2.6.7",
         Text("load forecasts", "负荷预测")),
    Kind("outage", Text("Outage (maintenance) plans", "停电检修计划报表"), "2.6.9",
         Text("outage plans", "停电检修计划")),
    Kind("guidance", Text("Electrical guidance", "用电指导报表"), "2.6.10",
         Text("records of guidance visits", "用电指导记录")),
    Kind("contingency", Text("Repair contingency plans", "抢修预案报表"), "2.6.11",
         Text("contingency plans", "抢修预案")),
    Kind("visits", Text("Return-visit list", "回访名单"), "2.6.12",
         Text("the plan of return visits", "回访计划")),
    Kind("connection-visit", Text("Connection-application visit questionnaire", "业扩回访调查表"), "2.6.13",
         Text("connection cases and their visits", "业扩工单与回访")),
    Kind("phone-visit", Text("Telephone-visit record", "电话回访记录"), "2.6.14",
         Text("records of telephone visits", "电话回访记录数据")),
    Kind("questionnaire", Text("Customer visit questionnaire", "客户走访调查表"), "2.6.15",
         Text("answers of visited customers", "走访调查答卷")),
    Kind("visit-statistics", Text("Visit statistics", "回访统计报表"), "2.6.16",
         Text("records of return visits", "回访记录")),
)  # fmt: skip
"""In the order of the rules' list (section 2.6)."""
