import { describeMiddleware } from "../middleware.js";

describeMiddleware("node");
