//! Orderly power use: Python's door to `keyacct-plan`. File contents and figures in, plan file and figures out.

use keyacct_plan::{
    Alternative, Figures, Files, Measure, Meta, Method, Options, Problem, Solution, Spared, read, solve,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::error::to_py;

/// Adds the functions of this module to `keyacct._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(shed_plan, module)?)
}

/// What `shed_plan` takes beside the files, in the words of `meta.json`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Terms {
    minutes: f64,
    issue_period: i64,
    blocks: Vec<(i64, i64)>,
    return_windows: Vec<(i64, i64)>,
    cost_per_kwh: [f64; 4],
    touch_cost: f64,
    unmet_cost_per_kwh: f64,
    history_factor: f64,
    replan_from: Option<i64>,
    change_cost: f64,
    previous_name: String,
    method: String,
    strict: bool,
    fairness: f64,
    threads: usize,
    explain: bool,
    reserve_share: f64,
}

/// Plans a problem folder whose files are given as bytes; see `keyacct.plan.planner`.
#[pyfunction]
#[pyo3(signature = (terms, customers, baseline, system, areas=None, fixed=None, previous=None))]
#[allow(clippy::too_many_arguments)] // one argument per file of the folder
fn shed_plan<'py>(
    py: Python<'py>,
    terms: Terms,
    customers: &[u8],
    baseline: &[u8],
    system: &[u8],
    areas: Option<&[u8]>,
    fixed: Option<&[u8]>,
    previous: Option<&[u8]>,
) -> PyResult<Bound<'py, PyDict>> {
    let meta = Meta {
        minutes: terms.minutes,
        issue: terms.issue_period,
        blocks: terms.blocks,
        windows: terms.return_windows,
        cost: terms.cost_per_kwh,
        touch_cost: terms.touch_cost,
        unmet_cost: terms.unmet_cost_per_kwh,
        history_factor: terms.history_factor,
        replan_from: terms.replan_from,
        change_cost: terms.change_cost,
        previous_name: terms.previous_name,
    };
    let options = Options {
        method: match terms.method.as_str() {
            "list" => Method::List,
            "list_hardest_first" => Method::ListHardest,
            _ => Method::Optimise,
        },
        strict: terms.strict,
        fairness: terms.fairness,
        threads: terms.threads,
        explain: terms.explain,
        reserve_share: terms.reserve_share,
    };
    let files = Files { customers, baseline, system, areas, fixed, previous };
    let (problem, solution, text) = py
        .detach(|| {
            let problem = read(&files, &meta)?;
            let solution = solve(&problem, &options);
            let text = solution.plan.to_csv(&problem);
            Ok((problem, solution, text))
        })
        .map_err(|e| to_py(py, e))?;
    result(py, &problem, &solution, &text)
}

fn result<'py>(py: Python<'py>, p: &Problem, s: &Solution, text: &str) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("plan", PyBytes::new(py, text.as_bytes()))?;
    out.set_item("warnings", &p.warnings)?;
    out.set_item("figures", figures(py, &s.figures)?)?;
    let trials = PyList::empty(py);
    for t in &s.trials {
        let row = figures(py, &t.figures)?;
        row.set_item("method", t.method)?;
        trials.append(row)?;
    }
    out.set_item("trials", trials)?;
    out.set_item("bound", s.certificate.bound)?;
    out.set_item("gap", s.certificate.gap)?;
    out.set_item("levels", &s.certificate.levels)?;
    let area = |a: Option<usize>| a.map(|a| p.areas[a].as_str());
    let binding = PyList::empty(py);
    for b in &s.certificate.binding {
        binding.append((b.kind, area(b.area), b.period, b.price, b.amount))?;
    }
    out.set_item("binding", binding)?;
    let shortfall = PyList::empty(py);
    for &(a, period, kw) in &s.plan.shortfall {
        shortfall.append((area(a), period, kw))?;
    }
    out.set_item("shortfall", shortfall)?;
    let reasons = PyList::empty(py);
    for r in &s.reasons {
        let c = &p.customers[r.customer];
        let row = PyDict::new(py);
        row.set_item("customer", &c.id)?;
        row.set_item("cls", c.class)?;
        row.set_item("weight", c.weight)?;
        row.set_item("history_h", c.history_h)?;
        let (verdict, because) = match r.spared {
            None => ("chosen", "price"),
            Some(Spared::Protected) => ("spared", "protected"),
            Some(Spared::Closed(why)) => ("spared", why),
            Some(Spared::Price) => ("spared", "price"),
        };
        row.set_item("verdict", verdict)?;
        row.set_item("because", because)?;
        let taken = PyList::empty(py);
        for a in &r.taken {
            taken.append(alternative(py, p, a)?)?;
        }
        row.set_item("orders", taken)?;
        row.set_item("next", r.next.as_ref().map(|a| alternative(py, p, a)).transpose()?)?;
        reasons.append(row)?;
    }
    out.set_item("reasons", reasons)?;
    let reliefs: Vec<(&str, f64)> = s.reliefs.iter().map(|r| (r.rule, r.saving)).collect();
    out.set_item("reliefs", reliefs)?;
    let reserve = PyList::empty(py);
    for r in &s.reserve {
        let row = alternative(py, p, &r.offer)?;
        row.set_item("place", r.place)?;
        row.set_item("customer", &p.customers[r.customer].id)?;
        row.set_item("premium_per_kw", r.premium_per_kw)?;
        reserve.append(row)?;
    }
    out.set_item("reserve", reserve)?;
    Ok(out)
}

fn figures<'py>(py: Python<'py>, f: &Figures) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("objective", f.objective)?;
    out.set_item("unmet_kwh", f.unmet_kwh)?;
    for m in Measure::ALL {
        out.set_item(format!("{}_kwh", m.name()), f.kwh[m as usize])?;
    }
    out.set_item("touched", f.touched)?;
    out.set_item("tripped", f.tripped)?;
    out.set_item("overshoot_kwh", f.overshoot_kwh)?;
    out.set_item("required_kwh", f.required_kwh)?;
    out.set_item("jain", f.jain)?;
    out.set_item("changes", f.changes)?;
    Ok(out)
}

fn alternative<'py>(py: Python<'py>, p: &Problem, a: &Alternative) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("block", a.block + 1)?;
    out.set_item("first_period", p.blocks[a.block].0)?;
    out.set_item("measure", a.measure.name())?;
    out.set_item("ceiling_kw", a.ceiling_kw)?;
    out.set_item("mean_kw", a.mean_kw)?;
    out.set_item("cost", a.cost)?;
    out.set_item("worth", a.worth)?;
    Ok(out)
}
