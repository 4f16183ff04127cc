// Shapes of the controls, 24 by 24 units.

export const PLAY = "M8 5v14l11-7z";
export const PAUSE = "M7 5h4v14H7zM13 5h4v14h-4z";
export const SOUND = "M4 9v6h4l5 4V5L8 9zM16 8.5v7a4 4 0 0 0 0-7zM16 4.5v2a6 6 0 0 1 0 11v2a8 8 0 0 0 0-15z";
export const MUTED = "M4 9v6h4l5 4V5L8 9zM22 9.4 20.6 8 18.5 10.1 16.4 8 15 9.4l2.1 2.1-2.1 2.1 1.4 1.4 2.1-2.1 2.1 2.1 1.4-1.4-2.1-2.1z";
export const CHART = "M4 19V5h2v12h14v2zM8 15v-4h3v4zM12.5 15V7h3v8zM17 15v-5h3v5z";
export const PICTURE = "M3 5h18v14H3zM5 7v10h14V7zM12 11.5h6V16h-6z";
export const FULL = "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z";
export const SMALL = "M8 4h2v6H4V8h4zM14 4h2v4h4v2h-6zM4 14h6v6H8v-4H4zM14 14h6v2h-4v4h-2z";
