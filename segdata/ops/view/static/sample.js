// One image, large: panes, zoom, swipe.

export function mount(root) {}
