// The picture itself: OpenSeadragon on one image or on its tiles, with keys and buttons of our own.

const STEP = 1.4;

/**
 * The library would write a <style> element, which the policy refuses, unless there is one with this
 * mark. An element without a namespace is found by its name and is no style sheet.
 */
function keepToThePolicy() {
  const mark = document.createElementNS(null, "style");
  mark.setAttribute("data-openseadragon-mobile-css", "true");
  document.head.append(mark);
}

export function openPicture(element, config, texts) {
  keepToThePolicy();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const viewer = OpenSeadragon({
    element,
    drawer: "canvas",
    showNavigationControl: false,
    showNavigator: config.tiles !== null,
    navigatorPosition: "BOTTOM_RIGHT",
    navigatorSizeRatio: 0.18,
    animationTime: still ? 0 : 0.4,
    maxZoomPixelRatio: 12,
    minZoomImageRatio: 0.8,
    visibilityRatio: 0.5,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false, flickEnabled: false },
    gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: false, flickEnabled: !still },
    gestureSettingsPen: { clickToZoom: false, dblClickToZoom: false },
  });
  // The page gives keys their meaning; the library's own (turning, mirroring) are not wanted.
  viewer.addHandler("canvas-key", (event) => {
    event.preventDefaultAction = true;
  });
  viewer.canvas.setAttribute("role", "application");
  viewer.canvas.setAttribute("aria-label", texts.picture);
  viewer.canvas.setAttribute("aria-describedby", "field-how");
  viewer.navigator?.element.setAttribute("aria-hidden", "true");
  if (viewer.navigator) {
    viewer.navigator.canvas.tabIndex = -1;
  }
  return viewer;
}

/** Show the image: as it is, or its tiles once they are made. */
export function showImage(viewer, config) {
  const { tiles, image, urls } = config;
  if (tiles === null) {
    viewer.open({ type: "image", url: urls.file, buildPyramid: false });
    return;
  }
  viewer.open({
    width: image.width,
    height: image.height,
    tileSize: tiles.size,
    tileOverlap: 0,
    minLevel: 0,
    maxLevel: tiles.maxLevel,
    getTileUrl: (level, x, y) => urls.tile.replace("/0/0_0.jpg", `/${level}/${x}_${y}.jpg`),
  });
}

export function zoom(viewer, direction) {
  viewer.viewport.zoomBy(direction > 0 ? STEP : 1 / STEP);
  viewer.viewport.applyConstraints();
}

export function showAll(viewer) {
  viewer.viewport.goHome();
}

/** Bring a box into sight: near enough to be looked at, or only moved when it is that already. */
export function centre(viewer, box, { near = false } = {}) {
  const item = viewer.world.getItemAt(0);
  if (!item) {
    return;
  }
  const margin = near ? 2.5 : 0;
  const area = item.imageToViewportRectangle(
    box.left - box.width * margin,
    box.top - box.height * margin,
    box.width * (1 + 2 * margin),
    box.height * (1 + 2 * margin),
  );
  if (near) {
    viewer.viewport.fitBoundsWithConstraints(area);
    return;
  }
  const seen = viewer.viewport.getBounds();
  const inside =
    area.x >= seen.x && area.y >= seen.y && area.x + area.width <= seen.x + seen.width && area.y + area.height <= seen.y + seen.height;
  if (!inside) {
    viewer.viewport.panTo(area.getCenter());
    viewer.viewport.applyConstraints();
  }
}
