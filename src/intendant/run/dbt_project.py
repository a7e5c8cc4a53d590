"""The files of a dbt project that don't depend on what is exported: settings, profile, its own tests, the README's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from intendant.checks.contracts.document import dumped
from intendant.types import Json

__all__ = ["LAKE", "SOURCE", "escaped", "fixed", "plain_name", "readme", "settings", "test_files"]

LAKE = "lake"
"""The variable that says where the lake is."""
SOURCE = "lake"
"""The dbt source that the lake's tables belong to."""

SCHEMAS = """{# A model's schema is just what it says: tables of the lake keep their names. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
"""
TESTS = {
    "accepted_range": """{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
select * from {{ model }}
where false
{%- if min_value is not none %}
  or {{ column_name }} {{ '<' if inclusive else '<=' }} {{ min_value }}
{%- endif %}
{%- if max_value is not none %}
  or {{ column_name }} {{ '>' if inclusive else '>=' }} {{ max_value }}
{%- endif %}
{% endtest %}
""",
    "unique_combination_of_columns": """{% test unique_combination_of_columns(model, combination_of_columns) %}
{%- set names = [] %}{% for c in combination_of_columns %}{% do names.append(adapter.quote(c)) %}{% endfor %}
select {{ names | join(', ') }} from {{ model }}
where {{ names | join(' is not null and ') }} is not null
group by {{ names | join(', ') }} having count(*) > 1
{% endtest %}
""",
    "expression_is_true": """{% test expression_is_true(model, expression) %}
select * from {{ model }} where not ({{ expression }})
{% endtest %}
""",
    "recency": """{% test recency(model, datepart, field, interval) %}
select max({{ adapter.quote(field) }}) as newest from {{ model }}
having newest is null or cast(newest as timestamp) < cast(current_timestamp as timestamp) - interval ({{ interval }}) {{ datepart }}
{% endtest %}
""",
    "expect_column_values_to_match_regex": """{% test expect_column_values_to_match_regex(model, column_name, regex) %}
select * from {{ model }}
where not regexp_matches(cast({{ column_name }} as varchar), '{{ regex | replace("'", "''") }}')
{% endtest %}
""",
    "expect_table_row_count_to_be_between": """{% test expect_table_row_count_to_be_between(model, min_value=none, max_value=none) %}
select count(*) as n from {{ model }}
having false
{%- if min_value is not none %} or n < {{ min_value }}{% endif %}
{%- if max_value is not none %} or n > {{ max_value }}{% endif %}
{% endtest %}
""",
}
"""dbt_utils and dbt_expectations have tests of these names; as the project's own they need no `dbt deps`."""


def fixed(name: str, lake: str) -> dict[str, str]:
    """Path to text of the project's settings, its profile and its macro."""
    return {
        "dbt_project.yml": settings(name, lake),
        "profiles.yml": dumped(
            {
                name: {
                    "target": "local",
                    "outputs": {
                        "local": {
                            "type": "duckdb",
                            "path": f"{name}.duckdb",
                            "threads": 2,
                            "settings": {"TimeZone": "UTC"},
                        }
                    },
                }
            }
        ),
        "macros/generate_schema_name.sql": SCHEMAS,
        ".gitignore": f"target/\nlogs/\n{name}.duckdb*\n",
    }


def settings(name: str, lake: str) -> str:
    return dumped(
        {
            "name": name,
            "version": "1.0.0",
            "config-version": 2,
            "profile": name,
            "model-paths": ["models"],
            "test-paths": ["tests"],
            "macro-paths": ["macros"],
            "flags": {"send_anonymous_usage_stats": False, "require_generic_test_arguments_property": True},
            "models": {name: {"+materialized": "table"}},
            "vars": {LAKE: escaped(lake)},
        }
    )


def test_files(used: Sequence[str]) -> dict[str, str]:
    """Path to text of the generic tests of these names."""
    return {f"tests/generic/{n}.sql": TESTS[n] for n in dict.fromkeys(used) if n in TESTS}


def escaped(text: str) -> str:
    """The text as jinja gives it back."""
    return re.sub(r"\{(?=[{%#])", "{{ '{' }}", text)


def plain_name(text: str, taken: Mapping[str, Json] | Sequence[str] = ()) -> str:
    """A name of small letters, digits and underscores that isn't taken."""
    base = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "t"
    base = f"t_{base}" if base[0].isdigit() else base
    name, n = base, 2
    while name in taken:
        name, n = f"{base}_{n}", n + 1
    return name


def readme(
    name: str, pipelines: Sequence[str], made: Sequence[str], read: Sequence[str], left: Sequence[Mapping[str, Json]]
) -> str:
    """The project's README: how it runs, where it reads, what isn't in it."""
    quoted = ", ".join(f"`{p}`" for p in pipelines)
    lines = [
        f"# {name}",
        "",
        f"The pipelines {quoted} of an Intendant workspace, as a dbt project (`intendant dbt export`).",
        "",
        "```",
        'pip install "dbt-core>=1.10.5,<2" dbt-duckdb',
        "dbt build            # in this folder; the result is a DuckDB file beside it",
        "```",
        "",
        "Sources are the lake's tables as they were at the export: the exact files of one version each. They lie under the",
        f"variable `{LAKE}` (dbt_project.yml); for a lake that was copied elsewhere, `dbt build --vars '{{{LAKE}: /other/place/lake}}'`.",
        "A vacuum of the lake may remove files of old versions; export again to read the newest ones.",
        "",
        "## Models",
        *(f"- {m}" for m in made),
        "",
        "## Sources",
        *(f"- {r}" for r in read),
        "",
        "## Not in it",
        *(f"- `{x['what']}`: {x['why']}" for x in left),
    ]
    return "\n".join([*lines, *([] if left else ["Nothing was left out."]), ""])
