"""`segdata view`: a whole dataset in the browser, to look at and to act on.

`operation.view` opens a `session` (the dataset, its predictions, what is known of them), and `serving` has uvicorn serve it in a
thread. `app` puts the parts together that answer below /api/; each has `routes(session)`: `samples`, `pictures`, `found`,
`tagging`, `acts`. The page itself is in `static/`.

A tile, `GET /api/tile/7?of=truth&level=1&y=0&x=2&token=...&v=1`:

1. `guard` lets it in: token, Host, Origin. `app.Edition` refuses rows of a dataset that was opened anew since.
2. `pictures` reads the numbers, and `layers` finds the file: of the image, the mask or a predicted mask. `roots` says whether
   an image may be opened, since a manifest can name any file.
3. `tiles` decides how it is read: small images are decoded once (levels by `halving`), large ones by windows, and if their files
   hold no smaller copies, `pyramid` makes them. `thumbnails` does the same for the grid. `cache` keeps both on disk.
4. `answers` turns values into JSON, and a `Refusal` into an error that the page tells.

A filter, `GET /api/samples?class=car&iou=..0.5&sort=-size`:

1. `samples` gives it to `query`, which makes (N,) flags of each part and remembers the rows that fit.
2. What the manifest says of every sample is in `index`, read by `loading` in a thread while the first page is looked at.
3. `iou` is a column that an analysis has found. `analyses` runs them in the background: `scores` (evaluate), `doubts`
   (suspects), `confidence`, `findings` (check) and `alike` (duplicates); `hooks` makes filters and orders of them.
4. `found` answers what follows from them: `matrix`, reliability, and `regions` of an image.

Acts are posts: `asked` reads the body, `tagging` writes into the file of `tags`, and `acts` and `tasks` make an order that
`jobs` has other operations of segdata carry out, in a thread.
"""
