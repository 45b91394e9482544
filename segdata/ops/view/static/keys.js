// The keyboard.

export function mount(root) {}
