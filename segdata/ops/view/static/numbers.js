// Matrix, classes, reliability of the images that fit.

export function mount(root) {}
