"""The drawing of `picture`: a grid of panels, one a set, with one curve a solver."""

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

# Colours that also differ for the colour-blind (Okabe and Ito), and in the legend the
# names of the solvers.
STYLES = {
    "lbfgs": ("#d55e00", "LogisticRegression, lbfgs"),
    "newton-cholesky": ("#7f7f7f", "LogisticRegression, newton-cholesky"),
    "skxent": ("#0060a8", "skxent"),
}
OURS, NEWTON, DEFAULT = "skxent", "newton-cholesky", "default"
INK, GOAL_COLOUR = "#222222", "#e3f1e3"
GOAL, LOWEST, HIGHEST = 1e-6, 1e-10, 10
X_TICKS = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s"}
Y_TICKS = {1: "100%", 1e-2: "1%", 1e-4: "10⁻⁴", 1e-6: "10⁻⁶", 1e-8: "10⁻⁸"}
COLUMNS = 3
OPTIONS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 11,
    # Letters stay letters, and the same numbers give the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "skxent",
    "text.color": INK,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(report, path):
    """Draw the measurements of `picture` to a file, .svg or .png."""
    n_panels = len(report["sets"])
    n_rows = -(-n_panels // COLUMNS)
    fits = [fit for result in report["sets"] for fit in _fits(result)]
    # On the left there is room for the label of the quickest fit.
    quickest = min((fit["seconds"] for fit in fits), default=report["limit"])
    x_limits = quickest / 6, 1.7 * report["limit"]
    with mpl.rc_context(OPTIONS):
        # White, as GitHub's page may be dark.
        figure = Figure(figsize=(11.5, 1.4 + 2.9 * n_rows), facecolor="white")
        top = 1 - 1.2 / figure.get_figheight()
        bottom = 0.6 / figure.get_figheight()
        axes = figure.subplots(n_rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
        figure.subplots_adjust(0.085, bottom, 0.985, top, 0.06, 0.42)
        for ax, result in zip(axes.flat, report["sets"], strict=False):
            _set_axes(ax, x_limits)
            _draw_panel(ax, result)
            _label_ends(ax, result, x_limits)
        for ax in axes.flat[n_panels:]:
            ax.set_axis_off()
        # on the right, where slow curves end before they get there
        place = {"transform": axes[0, 0].get_yaxis_transform(), "ha": "right"}
        text = "at the optimum"
        axes[0, 0].text(0.97, GOAL / 3, text, va="top", color="#3d7a3d", **place)
        for ax in axes[:, 0]:
            ax.set_ylabel("above the optimum")
        # The lowest panels of the columns, also where the last row is not full.
        for ax in axes.flat[max(0, n_panels - COLUMNS) : n_panels]:
            ax.set_xlabel("time of the fit")
        _write_legend(figure)
        metadata = {"Date": None} if str(path).endswith(".svg") else None
        figure.savefig(path, metadata=metadata, dpi=100)


def _set_axes(ax, x_limits):
    ax.set(xscale="log", yscale="log")
    ax.set(xlim=x_limits, ylim=(LOWEST / 4, 20 * HIGHEST))
    ax.xaxis.set_major_locator(FixedLocator(list(X_TICKS)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels(X_TICKS.values())
    ax.yaxis.set_major_locator(FixedLocator(list(Y_TICKS)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_yticklabels(Y_TICKS.values())
    ax.spines[["top", "right"]].set_visible(False)
    # In a tall picture, the lowest row is too far from the others.
    ax.tick_params(length=0, labelbottom=True)
    ax.grid(color="#eeeeee", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.axhspan(LOWEST / 4, GOAL, color=GOAL_COLOUR, linewidth=0)


def _draw_panel(ax, result):
    # A long name must not reach the next panel.
    size = min(11, 340 / len(result["set"]))
    name = {"loc": "left", "fontsize": size, "fontweight": "bold", "pad": 18}
    ax.set_title(result["set"], **name)
    n, d, n_classes = result["shape"]
    place = {"transform": ax.transAxes, "va": "bottom", "fontsize": 9.5}
    ax.text(0, 1.02, f"{n:,} × {d:,}, {n_classes} classes", **place)
    for solver, (colour, _) in STYLES.items():
        points = result["curves"][solver]
        if solver == OURS and "failure" not in result["defaults"][OURS]:
            points = [*points, result["defaults"][OURS]]
        points = _best_so_far(points)
        x = [point["seconds"] for point in points]
        y = [_height(point) for point in points]
        width = 2.6 if solver == OURS else 1.6
        ax.plot(x, y, color=colour, linewidth=width, marker="o", markersize=width + 0.6)


def _label_ends(ax, result, x_limits):
    """Write the times beside the ends of the curves, on the sides that are free."""
    newton = _best_so_far(result["curves"][NEWTON])[-1:]
    ours = result["defaults"][OURS]
    newton_is_first = bool(newton) and newton[0]["seconds"] < ours.get("seconds", 0)
    for fit in newton:
        if fit["error"] <= GOAL:
            on_left = newton_is_first or fit["seconds"] > x_limits[1] / 6
            _write_time(ax, fit, on_left, STYLES[NEWTON][0], "normal")
    default = result["defaults"][DEFAULT]
    _mark(ax, default, True, STYLES["lbfgs"][0], x_limits)
    _mark(ax, ours, not newton_is_first, STYLES[OURS][0], x_limits)


def _fits(result):
    """Return all fits of a set that ended."""
    groups = [*result["curves"].values(), result["defaults"].values()]
    return [fit for group in groups for fit in group if "failure" not in fit]


def _best_so_far(points):
    """Return the points that are nearer to the optimum than all quicker ones."""
    best = []
    for point in sorted(points, key=lambda point: point["seconds"]):
        if not best or point["error"] < best[-1]["error"]:
            best.append(point)
    return best


def _mark(ax, fit, time_on_left, colour, x_limits):
    """Mark a fit without arguments, and say what it comes to."""
    if "failure" in fit:
        return
    point = fit["seconds"], _height(fit)
    ax.plot(*point, marker="o", markersize=10, color=colour, markeredgecolor="white")
    if fit["error"] <= GOAL:
        _write_time(ax, fit, time_on_left, colour, "bold")
    else:
        text = f"{_percent(fit['error'])} above"
        # At the right edge, the text ends there.
        offset, side = ((0, 14), "center")
        if fit["seconds"] > x_limits[1] / 10:
            offset, side = ((14, 14), "right")
        _write(ax, text, point, offset, side, colour, "bold")


def _write_time(ax, fit, on_left, colour, weight):
    offset, side = ((-11, -4), "right") if on_left else ((9, -4), "left")
    point = fit["seconds"], _height(fit)
    _write(ax, _time(fit["seconds"]), point, offset, side, colour, weight)


def _write(ax, text, point, offset, side, colour, weight):
    ax.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        ha=side,
        color=colour,
        fontweight=weight,
    )


def _write_legend(figure):
    height = figure.get_figheight()
    figure.text(
        0.085,
        1 - 0.3 / height,
        "Distance to the optimum against the time of the fit, on raw data",
        fontsize=14,
        fontweight="bold",
    )
    x = 0.085
    for solver, width in zip(reversed(STYLES), (0.105, 0.345, 0.265), strict=True):
        colour, name = STYLES[solver]
        line = mpl.lines.Line2D(
            [x, x + 0.022], [1 - 0.56 / height] * 2, color=colour, linewidth=2.6
        )
        figure.add_artist(line)
        figure.text(x + 0.03, 1 - 0.61 / height, name, color=colour, fontweight="bold")
        x += width
    figure.text(x, 1 - 0.61 / height, "●  with default parameters")


def _height(point):
    return min(max(point["error"], LOWEST), HIGHEST)


def _percent(error):
    if error < 0.001:
        return f"{error:.0e}"
    return f"{error:.0%}" if error >= 0.01 else f"{error:.1%}"


def _time(seconds):
    return f"{seconds * 1e3:.0f} ms" if seconds < 0.1 else f"{seconds:.2g} s"
