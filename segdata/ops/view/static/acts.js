// What can be done with the selection.

export function mount(root) {}
