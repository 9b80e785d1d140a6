"""HTML reports: Jinja templates that extend base.html, each rendered to one file that fetches nothing."""

from __future__ import annotations

from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """Return the page that `template`, a file of this folder, makes of `values`; they are escaped.

    A name that the template uses and `values` lacks raises jinja2.UndefinedError.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
