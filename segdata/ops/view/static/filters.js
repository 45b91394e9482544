// Filters.

export function mount(root) {}
