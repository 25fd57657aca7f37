"""How a page looks: one column on a telephone, more where there is room; dark where the reader's system is."""

STYLE = """\
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --grey: #5f5f5f; --pale: #e4e4e4; --bar: #2f6f9f;
  --right: #26772f; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181a; --grey: #a5a5a5; --pale: #34383c;
  --bar: #6aa5d1; --right: #6cc277; --wrong: #f0857c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .3rem 0 .8rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
ul { padding-left: 1.2rem; }
.note { color: var(--grey); font-size: .9rem; margin: .4rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--pale); white-space: nowrap; }
th { font-weight: 600; }
th:first-child { text-align: left; padding-left: 0; font-weight: 400; white-space: normal; min-width: 9rem; }
thead th, thead th:first-child { font-weight: 600; border-bottom: 2px solid var(--grey); }
.bars { width: 100%; max-width: 44rem; }
.bars th:first-child { min-width: 0; white-space: nowrap; }
.bars .bar { width: 100%; }
.bar div { height: .8rem; background: var(--bar); }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
article { border: 1px solid var(--pale); border-radius: 6px; padding: .8rem; }
article p { margin: 0; font-size: .9rem; color: var(--grey); }
.shots { display: grid; gap: .6rem; margin-top: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); }
figure { margin: 0; border-top: 4px solid var(--pale); }
figure.right { border-color: var(--right); }
figure.wrong { border-color: var(--wrong); }
.right b { color: var(--right); }
.wrong b { color: var(--wrong); }
figcaption { font-size: .8rem; line-height: 1.3; margin-top: .2rem; }
.picture { display: block; width: 100%; max-height: 11rem; background: var(--pale); }
.none { display: grid; place-items: center; aspect-ratio: 4 / 3; background: var(--pale); color: var(--grey);
  font-size: .8rem; }
.album { position: absolute; }
@media (max-width: 76rem), print { .wide th, .wide td { white-space: normal; overflow-wrap: normal; } }
@media (max-width: 40rem) { .shots { grid-template-columns: 1fr 1fr; }
  th, td { padding: .3rem .35rem; white-space: normal; font-size: .85rem; overflow-wrap: normal; }
  th:first-child { min-width: 5rem; } }
@media print { .cards { display: block; } article { break-inside: avoid; margin-bottom: 1rem; } }
"""
