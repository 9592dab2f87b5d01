// Chinese for what the panels say, by the English text. tests/nodes/test_panel_words.py keeps it complete.

/** @type {Record<string, string>} */
export const zh = {
  "This panel could not be loaded: reload the page": "无法加载此面板：请重新载入页面",
};
