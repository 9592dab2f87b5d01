// Chinese for what the panels say, by the English text. tests/nodes/test_panel_words.py keeps it complete.

/** @type {Record<string, string>} */
export const zh = {};
