// Preact and its templates, under one name: the views import from here and know no vendor's path.

export {
  html, render, h, createContext, Component,
  useState, useReducer, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useErrorBoundary,
} from '../vendor/preact-htm/standalone.module.js';
