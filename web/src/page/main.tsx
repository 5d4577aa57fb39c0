// Starts the page.
import { CSPProvider } from "@base-ui/react/csp-provider";
import { createRoot } from "react-dom/client";

// First: before anything looks at the address.
import "./token";
import { App } from "./App";
import { Fallback } from "./Fallback";
import "./styles.css";

createRoot(document.getElementById("root")!).render(
  // The policy allows no style elements; what they would say is in our own sheet.
  <CSPProvider disableStyleElements>
    <Fallback>
      <App />
    </Fallback>
  </CSPProvider>,
);
