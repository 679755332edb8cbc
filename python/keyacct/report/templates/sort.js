"use strict";
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const index = Array.from(head.parentNode.children).indexOf(head);
    const rising = head.getAttribute("aria-sort") !== "ascending";
    const value = (row) => {
      const cell = row.cells[index];
      if (cell.classList.contains("absent")) return null;
      return cell.dataset.value ?? cell.textContent.trim();
    };
    const numeric = head.classList.contains("num");
    const rows = Array.from(body.rows, (row, place) => ({ row, place, value: value(row) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      const order = numeric ? Number(a.value) - Number(b.value) : a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
      return (rising ? order : -order) || a.place - b.place;
    });
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    body.append(...rows.map((entry) => entry.row));
  });
}
