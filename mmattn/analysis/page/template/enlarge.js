const dialog = document.querySelector('dialog');
const frame = dialog.querySelector('.frame');
const pictures = [...document.querySelectorAll('.enlarge')];
let shown = 0;

function show(number) {
  shown = (number + pictures.length) % pictures.length;
  const original = pictures[shown].firstElementChild;
  const {clientWidth: width, clientHeight: height} = original;
  const copy = original.cloneNode(true);
  frame.replaceChildren(copy);
  dialog.querySelector('p').textContent = pictures[shown].closest('figure').querySelector('h3').textContent;
  if (!dialog.open) dialog.showModal();
  // A picture that is as wide as the page already becomes larger than the window, and scrolls.
  if (Math.min(frame.clientWidth, frame.clientHeight * width / height) < 1.3 * width) {
    copy.style.width = `${1.8 * width}px`;
    copy.style.height = 'auto';
  }
  frame.scrollTo(0, 0);
}

pictures.forEach((picture, number) => picture.addEventListener('click', event => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(number);
}));
dialog.addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => pictures[shown].focus());
dialog.addEventListener('keydown', event => {
  if (event.target === frame) return;  // there the arrow keys scroll
  if (event.key === 'ArrowRight') show(shown + 1);
  if (event.key === 'ArrowLeft') show(shown - 1);
});
