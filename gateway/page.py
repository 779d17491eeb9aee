"""The page that shows the OpenAPI document to people: one piece of HTML that loads nothing else."""

from html import escape
from typing import Any

from gateway.problems import TITLES

#: The page may show itself and nothing else: no script, no image, no address but its own.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

#: Order in which the parts are told.
_FIRST = ("intake", "scheduling", "monitoring", "aftercare", "gateway")
#: How deep nested objects are shown in place.
_DEPTH = 3

_TOLD = {
    "intake": "what a person needs, and whether this program is right for them",
    "scheduling": "a week that fits around work, school and family, and who came",
    "monitoring": "the treatment plan, risk, and a human who acts in time",
    "aftercare": "graduation, the years after, and the fast way back",
    "gateway": "the work list, events, jobs and the program's clock",
}

_STYLE = """
:root{--ink:#1f2a2e;--soft:#5c6b70;--line:#dfe6e4;--paper:#fbfcfb;--card:#fff;--get:#1c6b8a;--post:#2f7d4f;
--mark:#eef4f1;--warn:#8a5a12}
@media (prefers-color-scheme:dark){:root{--ink:#e6ecea;--soft:#9fb0ac;--line:#2c3836;--paper:#121817;
--card:#182120;--get:#6cc0e0;--post:#7fd0a0;--mark:#1f2b29;--warn:#e0b56c}}
*{box-sizing:border-box}html{scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,sans-serif}
.frame{display:grid;grid-template-columns:17rem minmax(0,1fr);max-width:80rem;margin:0 auto}
nav{position:sticky;top:0;align-self:start;height:100vh;overflow:auto;padding:1.5rem 1rem;font-size:.86rem;
border-right:1px solid var(--line)}
nav a{display:block;color:var(--soft);text-decoration:none;padding:.1rem .4rem;border-radius:.3rem;
overflow-wrap:anywhere}
nav a:hover,nav a:focus{color:var(--ink);background:var(--mark)}
nav h2{font-size:.78rem;text-transform:uppercase;letter-spacing:.08em;margin:1.2rem 0 .3rem .4rem}
main{padding:2rem 2.2rem 6rem;min-width:0}
h1{font-size:1.9rem;margin:0}h1 small{font-size:.95rem;color:var(--soft);font-weight:400}
section>h2{margin:3rem 0 .2rem;text-transform:capitalize}section>p{color:var(--soft);margin:0 0 1rem}
article{background:var(--card);border:1px solid var(--line);border-radius:.6rem;margin:.7rem 0}
summary{cursor:pointer;padding:.65rem .9rem;list-style:none;display:flex;flex-wrap:wrap;gap:.4rem .8rem;
align-items:baseline}
summary::-webkit-details-marker{display:none}
summary:focus-visible{outline:2px solid var(--get);border-radius:.6rem}
.inside{padding:0 .9rem .9rem;border-top:1px solid var(--line)}
.verb{font:700 .78rem ui-monospace,SFMono-Regular,Menlo,monospace;min-width:2.6rem}
.GET{color:var(--get)}.POST{color:var(--post)}
code,.path{font:.88rem ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.told{color:var(--soft);margin-left:auto;font-size:.88rem}
h3{font-size:.8rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:1.1rem 0 .3rem}
table{width:100%;border-collapse:collapse;font-size:.88rem}
td{border-top:1px solid var(--line);padding:.35rem .5rem .35rem 0;vertical-align:top}
td:first-child{white-space:nowrap;width:1%;padding-right:1rem}
.must{color:var(--warn)}.rule,.kind{color:var(--soft)}.kind{white-space:nowrap}
table table{margin:.2rem 0 .2rem .2rem;border-left:2px solid var(--line)}table table td{padding-left:.6rem}
.tag{background:var(--mark);border-radius:.3rem;padding:.05rem .4rem;font-size:.8rem}
@media (max-width:50rem){.frame{display:block}nav{position:static;height:auto;border:0;
border-bottom:1px solid var(--line)}main{padding:1.2rem}.told{margin-left:0}}
"""


def page_of(document: dict[str, Any]) -> bytes:
    """Return the page for an OpenAPI document."""
    sections: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            sections.setdefault(operation["tags"][0], []).append((verb.upper(), path, operation))
    names = [name for name in _FIRST if name in sections]
    names += [name for name in sections if name not in _FIRST]
    menu, parts = [], []
    for name in names:
        menu.append(f"<h2>{escape(name)}</h2>")
        menu += [
            f'<a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a>'
            for _, _, operation in sections[name]
        ]
        told = f"<p>{escape(_TOLD[name])}</p>" if name in _TOLD else ""
        parts.append(f'<section><h2 id="{escape(name)}">{escape(name)}</h2>{told}')
        parts += [_operation(document, *found) for found in sections[name]]
        parts.append("</section>")
    info = document["info"]
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body><div class=frame>"
        f'<nav aria-label="Operations"><a href="/openapi.json">openapi.json</a>'
        f'<a href="/asyncapi.json">asyncapi.json</a>{"".join(menu)}</nav>'
        f"<main><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
        f"{_prose(info.get('description', ''))}{''.join(parts)}</main></div></body></html>"
    )
    return html.encode()


def _operation(document: dict[str, Any], verb: str, path: str, operation: dict[str, Any]) -> str:
    inside = [_prose(operation.get("description", ""))]
    scope = operation.get("x-scope")
    patients = ' <span class="tag">patients: their own</span>' if operation.get("x-patients") else ""
    needs = f'<span class="tag">{escape(scope)}</span>{patients}' if scope else "no token"
    inside.append(f"<h3>Needs</h3>{needs}")
    rows = [
        _row(
            document,
            f"{parameter['name']}",
            {**parameter["schema"], "description": parameter.get("description", "")},
            required=parameter["required"],
            where=parameter["in"],
            depth=0,
        )
        for parameter in operation.get("parameters", ())
    ]
    if rows:
        inside.append(f"<h3>Parameters</h3><table>{''.join(rows)}</table>")
    body = operation.get("requestBody")
    if body:
        schema = body["content"]["application/json"]["schema"]
        inside.append(f"<h3>Body</h3>{_object(document, schema, depth=0)}")
    refusals = []
    for status, response in operation["responses"].items():
        if "$ref" in response:
            refusals.append(f"{status} {TITLES.get(int(status), '').lower()}")
            continue
        content: dict[str, Any] = next(iter(response.get("content", {}).values()), {})
        shown = _object(document, content.get("schema", {}), depth=0)
        inside.append(f"<h3>{escape(status)} {escape(response['description'])}</h3>{shown}")
    inside.append(f'<h3>Refusals</h3><p class="rule">{escape(" · ".join(refusals))}</p>')
    return (
        f'<article id="{escape(operation["operationId"])}"><details><summary>'
        f'<span class="verb {verb}">{verb}</span><span class="path">{escape(path)}</span>'
        f'<span class="told">{escape(operation["summary"])}</span></summary>'
        f'<div class="inside">{"".join(inside)}</div></details></article>'
    )


def _object(document: dict[str, Any], schema: dict[str, Any], *, depth: int) -> str:
    schema = _resolved(document, schema)
    if "anyOf" in schema:
        return " <em>or</em> ".join(_object(document, one, depth=depth) for one in schema["anyOf"])
    properties = schema.get("properties")
    if not properties:
        return f'<span class="kind">{escape(_kind(document, schema))}</span>'
    required = schema.get("required", ())
    rows = [
        _row(document, name, one, required=name in required, where="", depth=depth)
        for name, one in properties.items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _row(  # what a row tells
    document: dict[str, Any],
    name: str,
    schema: dict[str, Any],
    *,
    required: bool,
    where: str,
    depth: int,
) -> str:
    resolved = _resolved(document, schema)
    description = schema.get("description") or resolved.get("description") or ""
    must = ' <span class="must" title="required">*</span>' if required else ""
    inner = _resolved(document, resolved.get("items", {})) if _is(resolved, "array") else resolved
    nested = ""
    if inner.get("properties") and depth < _DEPTH:
        nested = _object(document, inner, depth=depth + 1)
    place = f" in {where}" if where else ""
    return (
        f"<tr><td><code>{escape(name)}</code>{must}</td>"
        f'<td class="kind">{escape(_kind(document, resolved) + place)}</td>'
        f'<td>{escape(description)} <span class="rule">{escape(_rules(inner))}</span>{nested}</td></tr>'
    )


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return _resolved(document, schema["allOf"][0])
    for choice in schema.get("anyOf", ()) if len(schema.get("anyOf", ())) == 2 else ():
        if choice != {"type": "null"} and {"type": "null"} in schema["anyOf"]:
            return _resolved(document, choice)
    reference = schema.get("$ref", "")
    if reference:
        found: dict[str, Any] = document["components"]["schemas"][reference.rsplit("/", 1)[-1]]
        return found
    return schema


def _is(schema: dict[str, Any], kind: str) -> bool:
    declared = schema.get("type")
    return bool(kind in declared if isinstance(declared, list) else kind == declared)


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    if _is(schema, "array"):
        return f"list of {_kind(document, _resolved(document, schema.get('items', {})))}"
    declared = schema.get("type", "any")
    kinds = declared if isinstance(declared, list) else [declared]
    told = " or ".join(str(kind) for kind in kinds if kind != "null")
    if schema.get("format"):
        told = {"uuid": "id", "date-time": "moment", "date": "day"}.get(schema["format"], schema["format"])
    return f"{told} or null" if "null" in kinds else told


def _rules(schema: dict[str, Any]) -> str:
    rules = []
    if schema.get("enum"):
        rules.append("one of " + ", ".join(str(choice) for choice in schema["enum"] if choice is not None))
    for least, most, of in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        low, high = schema.get(least), schema.get(most)
        if low is not None and high is not None:
            rules.append(f"{low} to {high}{of}")
        elif low is not None:
            rules.append(f"at least {low}{of}")
        elif high is not None:
            rules.append(f"at most {high}{of}")
    if "pattern" in schema:
        rules.append(f"matches {schema['pattern']}")
    if schema.get("default") not in (None, [], {}):
        rules.append(f"default {schema['default']}")
    return f"({'; '.join(rules)})" if rules else ""


def _prose(text: str) -> str:
    """Return paragraphs, lists, **bold** and `code` as HTML."""
    blocks = []
    for block in text.strip().split("\n\n"):
        if not block.strip():
            continue
        if block.startswith("* "):
            items = block[2:].split("\n* ")
            blocks.append(f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>")
        else:
            blocks.append(f"<p>{_inline(block)}</p>")
    return "".join(blocks)


def _inline(text: str) -> str:
    told = escape(" ".join(text.split()))
    for mark, tag in (("**", "strong"), ("``", "code"), ("`", "code")):
        parts = told.split(mark)
        if len(parts) % 2:
            told = "".join(
                part if index % 2 == 0 else f"<{tag}>{part}</{tag}>" for index, part in enumerate(parts)
            )
    return told
