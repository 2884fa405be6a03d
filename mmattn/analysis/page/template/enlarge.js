const dialog = document.querySelector('dialog');
const frame = dialog.querySelector('.frame');
const pictures = [...document.querySelectorAll('.enlarge')];
let shown = 0;

function show(number) {
  shown = (number + pictures.length) % pictures.length;
  const original = pictures[shown].firstElementChild;
  const copy = original.cloneNode(true);
  frame.className = 'frame';
  frame.replaceChildren(copy);
  dialog.querySelector('p').textContent = pictures[shown].closest('figure').querySelector('h3').textContent;
  if (!dialog.open) dialog.showModal();
  // What would become smaller in a window of this shape takes the whole width instead, and scrolls.
  frame.classList.toggle('scrolls', copy.clientWidth < original.clientWidth);
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
  if (event.key === 'ArrowRight') show(shown + 1);
  if (event.key === 'ArrowLeft') show(shown - 1);
});
