// The page's few pictures, drawn in the colour of the text around them.
import type { ReactNode } from "react";

function icon(children: ReactNode) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      {children}
    </svg>
  );
}

export const Plus = () => icon(<path d="M12 5v14M5 12h14" />);
export const Cross = () => icon(<path d="M6 6l12 12M18 6L6 18" />);
export const Menu = () => icon(<path d="M4 7h16M4 12h16M4 17h16" />);
export const Down = () => icon(<path d="M12 5v14M6 13l6 6 6-6" />);
export const Search = () => icon(<><circle cx="11" cy="11" r="6.500" /><path d="M16 16l4.500 4.500" /></>);
export const People = () => icon(<><circle cx="9" cy="8" r="3.500" /><path d="M2.500 20c0-3.500 3-5.500 6.500-5.500s6.500 2 6.500 5.500M16 5a3.500 3.500 0 0 1 0 6.500M18 15c2 .6 3.500 2.300 3.500 5" /></>);
export const Send = () => icon(<path d="M5 12L4 4l17 8-17 8 1-8zm0 0h8" />);
export const Leave = () => icon(<path d="M14 4H6v16h8M10 12h11m-4-4l4 4-4 4" />);
export const Warn = () => icon(<path d="M12 4L2.500 20h19L12 4zm0 6v5m0 2.500v.2" />);
export const Dots = () => icon(<path strokeWidth="3" d="M6 12h.01M12 12h.01M18 12h.01" />);
export const Lock = () => icon(<><rect x="5.500" y="10.500" width="13" height="9.500" rx="2" /><path d="M8.500 10.500V8a3.500 3.500 0 0 1 7 0v2.500" /></>);
export const Info = () => icon(<><circle cx="12" cy="12" r="8.500" /><path d="M12 11v5m0-8.500v.1" /></>);
