// The projector: cells as points in three dimensions, by scatter-gl. Colours, thumbnails on zoom,
// a click that opens a cell, a lasso that fills the gallery beside. Without WebGL the server's
// picture stays.

const GREY = "rgba(138,143,152,0.8)";
const DIMMED = "rgba(138,143,152,0.15)";
// Nearer than this the points become the cells' pictures.
const PICTURES_WITHIN = 0.85;

const stage = document.getElementById("projector-stage");

function hasWebGL() {
  try {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl2") ?? canvas.getContext("webgl"));
  } catch {
    return false;
  }
}

function rgba(hex, opacity) {
  const value = Number.parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16},${(value >> 8) & 255},${value & 255},${opacity})`;
}

function lightened(hex) {
  const value = Number.parseInt(hex.slice(1), 16);
  const part = (shift) => Math.round(255 - (255 - ((value >> shift) & 255)) * 0.3);
  return `rgba(${part(16)},${part(8)},${part(0)},1)`;
}

function isInside(x, y, corners) {
  let inside = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i, i += 1) {
    const [xi, yi] = corners[i];
    const [xj, yj] = corners[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) {
      inside = !inside;
    }
  }
  return inside;
}

class Plot {
  constructor(library, data) {
    this.data = data;
    this.library = library;
    this.color = document.querySelector("[name=color]:checked")?.value ?? "label";
    this.hidden = new Set();
    this.selected = new Set();
    this.pictures = "zoom";
    this.showsPictures = false;
    const holder = document.getElementById("projector-plot");
    this.holder = holder;
    this.gl = new library.ScatterGL(holder, {
      rotateOnStart: false,
      selectEnabled: false,
      showLabelsOnHover: false,
      pointColorer: (index) => this.colorOf(index),
      onHover: (index) => this.describe(index),
      onClick: (index) => this.open(index),
      styles: {
        backgroundColor: this.ground(),
        axesVisible: false,
        fog: { enabled: false },
        sprites: { minPointSize: 4, imageSize: 26 },
      },
      orbitControls: { zoomSpeed: 0.6 },
    });
    this.prepareColors();
    const dataset = new library.ScatterGL.Dataset(data.points, []);
    this.dataset = dataset;
    this.gl.render(dataset);
    this.listen();
  }

  // scatter-gl keeps its camera to itself; the lasso and the thumbnails need it.
  get inner() {
    return this.gl.scatterPlot;
  }

  ground() {
    // Drawn and read back: a browser may write a colour in any of several notations.
    const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    brush.fillStyle = getComputedStyle(stage).backgroundColor;
    brush.fillRect(0, 0, 1, 1);
    const color = [...brush.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    return `#${color.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  }

  prepareColors() {
    this.strong = this.data.classes.map((each) => rgba(each.color, 0.9));
    this.light = this.data.classes.map((each) => lightened(each.color));
  }

  placesOf() {
    return this.color === "prediction" ? this.data.predictions : this.data.labels;
  }

  colorOf(index) {
    const place = this.placesOf()[index];
    if (this.hidden.has(place)) {
      return "rgba(0,0,0,0)";
    }
    if (this.selected.size && !this.selected.has(index)) {
      return this.showsPictures ? "rgba(255,255,255,0.25)" : DIMMED;
    }
    if (this.showsPictures) {
      return place < 0 ? "rgba(255,255,255,1)" : this.light[place];
    }
    return place < 0 ? GREY : this.strong[place];
  }

  redraw() {
    this.gl.setPointColorer((index) => this.colorOf(index));
  }

  listen() {
    const controls = () => this.inner.orbitCameraControls;
    controls().addEventListener("change", () => this.onCamera());
    addEventListener("resize", () => this.gl.resize());
    document.addEventListener("themechanged", () => {
      this.gl.styles.backgroundColor = this.ground();
      this.inner.renderer.setClearColor(this.ground(), 1);
      this.inner.render();
    });
  }

  onCamera() {
    const near = this.inner.camera.position.distanceTo(this.inner.orbitCameraControls.target);
    this.setPictures(this.pictures === "always" || (this.pictures === "zoom" && near < PICTURES_WITHIN));
  }

  setPictures(wanted) {
    if (wanted === this.showsPictures || !this.sheet) {
      return;
    }
    this.showsPictures = wanted;
    // A visualizer that was switched off is disposed of, but scatter-gl would use it again.
    this.gl.pointVisualizer = undefined;
    this.gl.spritesheetVisualizer = undefined;
    if (wanted) {
      this.gl.setSpriteRenderMode();
    } else {
      this.gl.setPointRenderMode();
    }
    stage.dataset.shows = wanted ? "pictures" : "points";
  }

  useSheet(image) {
    this.sheet = image;
    const side = image.naturalWidth / this.data.columns;
    this.dataset.setSpriteMetadata({ spriteImage: image, singleSpriteSize: [side, side] });
    this.onCamera();
  }

  describe(index) {
    const words = document.getElementById("projector-hover");
    if (index === null) {
      words.textContent = "";
      return;
    }
    const name = (place) => (place < 0 ? stage.dataset.textUnnamed : this.data.classes[place].name);
    const label = name(this.data.labels[index]);
    const said = name(this.data.predictions[index]);
    words.textContent = `${stage.dataset.textLabel} ${label} · ${stage.dataset.textPrediction} ${said}`;
  }

  open(index) {
    if (index === null || this.hidden.has(this.placesOf()[index])) {
      return;
    }
    if (this.data.cells.length) {
      location.assign(stage.dataset.cell.replace("/0/", `/${this.data.cells[index]}/`));
    } else {
      this.select([index]);
    }
  }

  screenPositions() {
    const { camera } = this.inner;
    camera.updateMatrixWorld();
    const { clientWidth: width, clientHeight: height } = this.holder;
    const world = this.inner.worldSpacePointPositions;
    const vector = new this.library.Vector3();
    const found = [];
    for (let index = 0; index < world.length / 3; index += 1) {
      vector.set(world[3 * index], world[3 * index + 1], world[3 * index + 2]).project(camera);
      found.push(vector.z < 1 ? [((vector.x + 1) / 2) * width, ((1 - vector.y) / 2) * height] : null);
    }
    return found;
  }

  lasso(corners) {
    const places = this.placesOf();
    const chosen = [];
    this.screenPositions().forEach((at, index) => {
      if (at && !this.hidden.has(places[index]) && isInside(at[0], at[1], corners)) {
        chosen.push(index);
      }
    });
    this.select(chosen);
  }

  select(indexes) {
    this.selected = new Set(indexes);
    this.redraw();
    document.getElementById("projector-places").value = indexes.join(",");
    document.getElementById("projector-clear").hidden = indexes.length === 0;
    this.fetchPage(1);
  }

  fetchPage(page) {
    const form = document.getElementById("projector-selection");
    const target = document.getElementById("projector-gallery");
    if (!this.selected.size) {
      target.replaceChildren(document.getElementById("projector-hint").content.cloneNode(true));
      return;
    }
    const values = { places: form.elements.places.value, page };
    window.htmx.ajax("POST", form.action, { target: "#projector-gallery", swap: "innerHTML", values });
  }
}

// --- lasso --------------------------------------------------------------------------------------
function prepareLasso(plot) {
  const layer = document.getElementById("projector-lasso");
  const line = layer.querySelector("polygon");
  const button = document.getElementById("projector-lasso-on");
  let corners = null;
  const switchTo = (on) => {
    button.setAttribute("aria-pressed", String(on));
    button.classList.toggle("active", on);
    layer.classList.toggle("lasso-on", on);
  };
  button.addEventListener("click", () => switchTo(button.getAttribute("aria-pressed") !== "true"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      switchTo(false);
    }
  });
  const at = (event) => {
    const box = layer.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  layer.addEventListener("pointerdown", (event) => {
    layer.setPointerCapture(event.pointerId);
    corners = [at(event)];
  });
  layer.addEventListener("pointermove", (event) => {
    if (corners) {
      corners.push(at(event));
      line.setAttribute("points", corners.map((each) => each.join(",")).join(" "));
    }
  });
  layer.addEventListener("pointerup", () => {
    if (corners && corners.length > 2) {
      plot.lasso(corners);
    }
    corners = null;
    line.setAttribute("points", "");
  });
}

// --- controls -----------------------------------------------------------------------------------
function prepareControls(plot) {
  for (const input of document.querySelectorAll("[name=color]")) {
    input.addEventListener("change", () => {
      plot.color = input.value;
      plot.redraw();
    });
  }
  document.getElementById("projector-pictures").addEventListener("change", (event) => {
    plot.pictures = event.target.value;
    plot.onCamera();
    plot.inner.render();
  });
  document.getElementById("projector-reset").addEventListener("click", () => {
    plot.gl.resetZoom();
    plot.inner.orbitCameraControls.addEventListener("change", () => plot.onCamera());
    plot.onCamera();
  });
  document.getElementById("projector-clear").addEventListener("click", () => plot.select([]));
  for (const box of document.querySelectorAll("[data-legend]")) {
    box.addEventListener("change", () => {
      const place = Number(box.dataset.legend);
      if (box.checked) {
        plot.hidden.delete(place);
      } else {
        plot.hidden.add(place);
      }
      plot.redraw();
    });
  }
  document.getElementById("projector-gallery").addEventListener("click", (event) => {
    const link = event.target.closest(".page-link[href]");
    if (link) {
      event.preventDefault();
      plot.fetchPage(new URL(link.href).searchParams.get("page"));
    }
  });
}

async function start() {
  const [library, answer] = await Promise.all([
    import(stage.dataset.library),
    fetch(stage.dataset.points, { headers: { Accept: "application/json" } }),
  ]);
  if (!answer.ok) {
    throw new Error(`points: ${answer.status}`);
  }
  const data = await answer.json();
  document.getElementById("projector-frame").hidden = false;
  const plot = new Plot(library, data);
  stage.classList.add("projector-live");
  prepareLasso(plot);
  prepareControls(plot);
  stage.dataset.shows = "points";
  const sheet = new Image();
  sheet.addEventListener("load", () => plot.useSheet(sheet));
  sheet.src = stage.dataset.atlas;
  // What was drawn while the frame opened is lost in some browsers, and nothing draws by itself.
  requestAnimationFrame(() => requestAnimationFrame(() => plot.gl.resize()));
  // For measuring from outside; nothing on the page needs it.
  stage.plot = plot;
}

if (stage && hasWebGL()) {
  start().catch((error) => {
    // The picture is still there, and so are the tables.
    console.warn("The plot could not be drawn.", error);
  });
} else if (stage) {
  stage.dataset.shows = "picture";
}
