// htmx would put a style element into the page, which the policy does not allow.
htmx.config.includeIndicatorStyles = false;
// A request that is never answered would hold up all that follow it.
htmx.config.timeout = 10000;
