// Classes: legend, counts, toggles, opacity.

export function mount(root) {}
