#!/usr/bin/env python3
"""The status page in a real browser, over a made-up cluster (status_page_server): what it shows, that hostile names
stay text, that nothing overflows at desktop and phone width by day and by night, what its buttons ask for, what it says
when the coordinator is gone. Talks to a headless Chromium through its debugging pipe. Exit code 77: no Chromium."""
import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60
JOBS = 10  # live ones of the made-up cluster
WIDTHS = {"desktop": (1440, 1000), "phone": (390, 844)}


class Browser:
    """One Chromium with one page. `errors` holds everything it complained about: exceptions, blocked resources."""

    def __init__(self, program, profile):
        self.errors = []
        self.replies = {}
        self.events = []
        self.requests = 0
        self.buffer = b""
        to_read, self.to = os.pipe()
        self.back, from_write = os.pipe()

        def place():  # the browser reads commands from 3 and writes to 4
            a, b = os.dup(to_read), os.dup(from_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--disable-background-networking", "--no-first-run", "--remote-debugging-pipe",
             f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        os.set_blocking(self.back, False)
        target = self.call("Target.createTarget", {"url": "about:blank"}, page=False)["targetId"]
        attached = self.call("Target.attachToTarget", {"targetId": target, "flatten": True}, page=False)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        os.close(self.to)
        self.process.terminate()
        self.process.wait()

    def call(self, method, parameters=None, page=True):
        self.requests += 1
        message = {"id": self.requests, "method": method, "params": parameters or {}}
        if page:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        number = self.requests
        wait_until(lambda: self.pump() or number in self.replies, f"the browser's answer to {method}")
        reply = self.replies.pop(number)
        if "error" in reply:
            raise AssertionError(f"{method}: {reply['error']}")
        return reply["result"]

    def pump(self):
        try:
            self.buffer += os.read(self.back, 1 << 20)
        except BlockingIOError:
            pass
        *messages, self.buffer = self.buffer.split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.replies[message["id"]] = message
            elif message["method"] == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.errors.append(message["params"]["entry"]["text"])
            elif message["method"] == "Network.requestWillBeSent":
                self.events.append(message["params"]["request"]["url"])

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression, what=None):
        wait_until(lambda: self.evaluate(f"Boolean({expression})"), what or expression)

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600})

    def scheme(self, scheme):
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme},
                                                              {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def picture(self, path, whole=True):
        shot = self.call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        with open(path, "wb") as out:
            out.write(base64.b64decode(shot["data"]))


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S} s in vain for {what}")
        time.sleep(0.02)


class Server:
    def __init__(self, program, port="0"):
        self.process = subprocess.Popen([program, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.page = self.process.stdout.readline().strip()  # with the token
        self.url = self.page.split("?")[0]

    def said(self):
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def expect(condition, what):
    if not condition:
        raise AssertionError(what)
    print(f"ok: {what}")


def nothing_overflows(browser, where, width):
    # Not innerWidth: on a phone it grows with what overflows.
    needed = browser.evaluate("document.scrollingElement.scrollWidth")
    expect(needed <= width, f"{where}: nothing overflows horizontally ({needed} of {width} px)")


def text_is_readable(browser, where):
    """Contrast of every visible piece of text with what it stands on, at least 4.5."""
    poor = browser.evaluate("""(() => {
      const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
      const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
                                return [...canvas.getImageData(0, 0, 1, 1).data]; };
      const over = (a, b) => a.slice(0, 3).map((x, i) => x * a[3] / 255 + b[i] * (1 - a[3] / 255)).concat(255);
      const linear = (x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
      const light = (c) => c.slice(0, 3).reduce((sum, x, i) => sum + linear(x / 255) * [0.2126, 0.7152, 0.0722][i], 0);
      const poor = [];
      for (const node of document.querySelectorAll('body *')) {
        if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
        if (node.closest('svg, noscript, dialog:not([open])') || !node.getClientRects().length) continue;
        const stack = [];
        for (let at = node; at; at = at.parentElement) stack.push(rgba(getComputedStyle(at).backgroundColor));
        const ground = stack.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 255]);
        const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground)].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        const name = `${node.className || node.tagName}: ${node.textContent.slice(0, 30)}`;
        if (contrast < 4.5) poor.push(`${contrast.toFixed(2)} of ${name}`);
      }
      return poor;
    })()""")
    expect(not poor, f"{where}: contrast of all text is at least 4.5 {poor}")


def check_token(browser, server):
    browser.call("Page.navigate", {"url": server.url})
    browser.wait_for("document.body && document.body.innerText.includes('a token is required')")
    browser.call("Page.navigate", {"url": server.page})
    browser.wait_for("document.querySelectorAll('tbody.job').length && location.search === ''")
    print("ok: the token of the address lets in, and leaves the address")
    browser.errors.clear()  # of the refusal
    browser.events.clear()  # the browser's own look for an icon


def check_overview(browser):
    browser.wait_for("document.querySelectorAll('tbody.job').length")
    browser.wait_for("document.querySelector('.event')")
    names = browser.evaluate("[...document.querySelectorAll('tbody.job .name a')].map((a) => a.textContent)")
    expect(len(names) == JOBS, f"all {JOBS} live jobs are there: {names}")
    expect("demo/train" in names and "ablation/no-mlm/train" in names, "jobs go by their names")
    reasons = browser.evaluate("[...document.querySelectorAll('tbody.waiting')]"
                               ".map((row) => (row.querySelector('.reason') || {}).textContent)")
    expect(len(reasons) == 5 and all(reasons), f"every waiting row has its reason: {reasons}")
    expect(any("waits for job 4 (demo/train)" in reason for reason in reasons), "a reason names what is waited for")
    text = browser.evaluate("document.body.innerText.toLowerCase()")
    for word in ("unreachable", "straggling", "degraded storage", "reconciling", "disk swap", "blacklisted", "61 %"):
        expect(word in text, f"the page says '{word}'")
    expect(any("<script>" in name for name in names), "a hostile name is shown as what it is")
    expect(browser.evaluate("document.title") == "Stillhouse", "a hostile name was not run")
    expect(browser.evaluate("document.querySelectorAll('main img, main script').length") == 0, "nor made into elements")


def check_job(browser, url):
    browser.evaluate("location.hash = '#/job/4'")
    browser.wait_for("document.querySelectorAll('svg.chart').length === 2")
    text = browser.evaluate("document.body.innerText")
    for word in ("demo/train", "9,182 of 15,000 steps", "reduce", "node-b", "rank 3 died", "4be1c2d09f3a7e56",
                 "ranks.log", "41007", "2, the last one 41 min ago, process death: rank 3 died"):
        expect(word in text, f"a job's page says '{word}'")
    expect(browser.evaluate("document.querySelectorAll('.ranks tbody tr').length") == 8, "all ranks are listed")
    expect(browser.evaluate("document.querySelector('.callout') === null"), "a job that is well has no callout")
    label = browser.evaluate("document.querySelector('svg.chart-loss').getAttribute('aria-label')")
    expect("at 9.18k" in label or "9,182" in label, f"the loss curve tells its values: {label}")
    middle = browser.evaluate("""(() => { const box = document.querySelector('svg.chart-loss').getBoundingClientRect();
                                  return [box.left + box.width / 2, box.top + box.height / 2]; })()""")
    browser.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": middle[0], "y": middle[1]})
    browser.wait_for("document.querySelector('.chart-loss .tip')", "a value under the pointer")
    print("ok: the curve shows the value under the pointer")


def check_buttons(browser, server):
    browser.evaluate("location.hash = '#/job/5'")
    browser.wait_for("document.querySelector('[data-action=cancel][data-job=\"5\"]')")
    browser.evaluate("document.querySelector('[data-action=cancel]').click()")
    expect(browser.evaluate("document.getElementById('confirm').open"), "cancel asks first")
    browser.evaluate("document.getElementById('confirm-yes').click()")
    expect(server.said() == "cancel job 5", "then it cancels")
    browser.wait_for("document.querySelector('.title .pill').textContent === 'completing'", "the new state")
    browser.evaluate("location.hash = '#/'")
    browser.wait_for("document.querySelector('[data-action=drain][data-host=node-a]')")
    browser.evaluate("document.querySelector('[data-action=drain][data-host=node-a]').click()")
    browser.evaluate("document.getElementById('confirm-input').value = '<b>fan</b>'")
    browser.evaluate("document.getElementById('confirm-yes').click()")
    expect(server.said() == "DRAIN host node-a: <b>fan</b>", "drain takes a reason")
    browser.wait_for("document.querySelector('.host-list').innerText.includes('<b>fan</b>')", "the reason at the host")


def check_loss_of_the_coordinator(browser, server, program, url):
    server.stop()
    browser.wait_for("document.getElementById('notice').textContent.includes('does not answer')",
                     "the page to say that nobody answers")
    expect("old" in browser.evaluate("document.getElementById('notice').textContent"), "it says how old the data is")
    expect(browser.evaluate("document.querySelectorAll('tbody.job').length") == JOBS, "what was known stays")
    again = Server(program, url.rsplit(":", 1)[1].strip("/"))
    browser.wait_for("document.getElementById('notice').hidden", "the page to recover by itself")
    print("ok: it recovers by itself")
    return again


def draw_documents(browser, server, directory):
    """A desktop and a phone; without the job that is there to break the page."""
    browser.call("Page.addScriptToEvaluateOnNewDocument", {"source": """
      const json = Response.prototype.json;
      Response.prototype.json = async function() {
        const body = await json.call(this);
        const nice = (row) => ![row.name, row.message].join().includes('<');
        for (const list of ['jobs', 'events']) if (body[list]) body[list] = body[list].filter(nice);
        if (body.live_jobs) body.live_jobs = body.jobs.length;
        return body;
      };"""})
    for path, name, scheme, (width, height) in (("#/", "status-page.png", "light", (1440, 1104)),
                                                ("#/job/4", "status-page-phone.png", "dark", (390, 844))):
        browser.size(width, height)
        browser.scheme(scheme)
        browser.call("Page.navigate", {"url": server.url + path})
        browser.wait_for("document.querySelector('.event')")
        browser.wait_for("document.fonts.status === 'loaded' && document.querySelectorAll('.track').length")
        browser.picture(f"{directory}/{name}", whole=False)
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--screenshots", required=True)
    parser.add_argument("--documents", help="only write the pictures of docs/operations.md, into this directory")
    options = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("skipped: no chromium (scripts/setup.sh --page installs it)")
        return 77
    os.makedirs(options.screenshots, exist_ok=True)
    server = Server(options.server, "5680" if options.documents else "0")
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        try:
            check_token(browser, server)
            if options.documents:
                return draw_documents(browser, server, options.documents)
            for name, (width, height) in WIDTHS.items():
                for scheme in ("light", "dark"):
                    browser.size(width, height)
                    browser.scheme(scheme)
                    browser.call("Page.navigate", {"url": server.url})
                    check_overview(browser)
                    nothing_overflows(browser, f"jobs, {name}, {scheme}", width)
                    text_is_readable(browser, f"jobs, {name}, {scheme}")
                    browser.picture(f"{options.screenshots}/jobs-{name}-{scheme}.png")
                    check_job(browser, server.url)
                    nothing_overflows(browser, f"one job, {name}, {scheme}", width)
                    text_is_readable(browser, f"one job, {name}, {scheme}")
                    browser.picture(f"{options.screenshots}/job-{name}-{scheme}.png")
            check_buttons(browser, server)
            outside = [url for url in browser.events if not url.startswith((server.url, "data:", "about:"))]
            expect(not outside, f"nothing was asked of anybody else {outside}")
            expect(not browser.errors, f"the browser has no complaint {browser.errors}")
            server = check_loss_of_the_coordinator(browser, server, options.server, server.url)
        finally:
            browser.close()
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
