// The pack's one extension: panels in its nodes, and a menu. ComfyUI imports each *.js of this folder at start-up, so
// everything else is *.mjs and loaded when a node wants it.

import { app } from "../../scripts/app.js";

/** The panels, by their modules' names, and the nodes that have them. They stand in a node in this order. */
const PANELS = {
  compare: ["XDubDub"],
  people: ["XDubPeople", "XDubFaceCrop"],
  sync: ["XDubDub"],
  report: ["XDubReport"],
  clips: ["XDubSampler", "XDubDub"],
  guidance: ["XDubGuidance", "XDubSampler", "XDubDub"],
};

/** What all panels need, once a node wanted one. */
let library;

/** All nodes of a workflow as it is saved, those in subgraphs too. */
const savedNodes = (graph) => [
  ...(graph.nodes ?? []),
  ...(graph.definitions?.subgraphs ?? []).flatMap(savedNodes),
];

/** Open the quick start: as a graph, or as an app. */
const quickStart = (kind) => async () => {
  const name = `1_quick_start_built_in_model${kind}`;
  const pack = import.meta.url.split("/").at(-2);
  const answer = await app.api.fetchApi(`/workflow_templates/${pack}/${name}.json`);
  app.loadGraphData(await answer.json(), true, true, name);
};

app.registerExtension({
  name: "xdub.panels",

  commands: [
    { id: "xdub.start", label: "X-Dub: quick start", function: quickStart("") },
    { id: "xdub.startApp", label: "X-Dub: quick start (app)", function: quickStart(".app") },
  ],
  menuCommands: [{ path: ["X-Dub"], commands: ["xdub.start", "xdub.startApp"] }],

  async beforeRegisterNodeDef(_nodeType, definition) {
    const language = app.extensionManager.setting.get("Comfy.Locale") ?? "en";
    if (language === "en" || !definition.name.startsWith("XDub")) return;
    const { translateChoices } = await import("./lib/choices.mjs");
    await translateChoices(definition);
  },

  async beforeConfigureGraph(graph) {
    const nodes = savedNodes(graph).filter(({ type }) => String(type).startsWith("XDub"));
    if (nodes.length) (await import("./lib/old_workflows.mjs")).renew(nodes);
  },

  async nodeCreated(node) {
    const names = Object.keys(PANELS).filter((name) => PANELS[name].includes(node.comfyClass));
    if (!names.length) return;
    // Without waiting where that is possible: a node's saved size comes right after this.
    const { addPanel } = library ?? (library = await import("./lib/panel.mjs"));
    for (const name of names) addPanel(node, name, () => import(`./panels/${name}.mjs`));
  },

  onNodeOutputsUpdated(outputs) {
    library?.replayOutputs(outputs);
  },
});
