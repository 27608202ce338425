// htmx would put a style element into the page, which the policy does not allow.
htmx.config.includeIndicatorStyles = false;
