/** The API as a typed client, generated from its OpenAPI file, and its errors as one class. */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Annotation = Schemas["AnnotationView"];
export type AnnotationRequest = Schemas["AnnotationRequest"];
export type CrystalType = NonNullable<Schemas["CurationAnswerRequest"]["crystal_type"]>;
export type CurationAnswer = Schemas["CurationAnswerRequest"]["answer"];
export type CurationItem = Schemas["CurationItemView"];
export type CurationQueue = Schemas["CurationQueueView"];
export type CurationReason = Schemas["CurationReason"];
export type ConditionItem = Schemas["ConditionItemView"];
export type ConditionQueue = Schemas["ConditionQueueView"];
export type BuildDataset = Schemas["BuildDatasetRequest"];
export type Dataset = Schemas["DatasetView"];
export type DatasetDiff = Schemas["DatasetDiffView"];
export type DatasetRow = Schemas["DatasetRowView"];
export type Disagreement = Schemas["DisagreementView"];
export type DriftSource = Schemas["DriftSourceView"];
export type QueuedDrift = Schemas["QueuedDriftView"];
export type DropDetail = Schemas["DropDetail"];
export type DropInspection = Schemas["DropInspectionView"];
export type Exposure = Schemas["ExposureView"];
export type ExposureColumns = Schemas["ExposureColumnsView"];
export type ExposureDetail = Schemas["ExposureDetail"];
export type ExposurePlace = Schemas["PlaceView"];
export type ExposureSession = Schemas["ExposureSessionView"];
export type ExposureSessionDetail = Schemas["ExposureSessionDetail"];
export type ExposureMark = Schemas["MarkView"];
export type ExportFormat = Schemas["ExportRequest"]["format"];
export type ExposuresChanged = Schemas["ExposuresChanged"];
export type Hit = Schemas["HitView"];
export type HitPage = Schemas["HitPage"];
export type Image = Schemas["ScoredImageView"];
export type ImportPreview = Schemas["ImportPreview"];
export type ImportRequest = Schemas["ImportRequest"];
export type Info = Schemas["Info"];
export type Inspection = Schemas["InspectionView"];
export type Job = Schemas["JobView"];
export type JobList = Schemas["JobList"];
export type LearnedLimits = Schemas["LearnedLimitsView"];
export type Limits = Schemas["LimitsFields"];
export type Marks = Schemas["MarksView"];
export type Micrograph = Schemas["MicrographView"];
export type ModelRoles = Schemas["ModelRolesView"];
export type ModelStep = Schemas["ModelStepView"];
export type Modality = Schemas["Modality"];
export type ModelCard = Schemas["ModelDetail"]["card"];
export type ModelSummary = Schemas["ModelSummary"];
export type ModelReference = Schemas["ModelReference"];
export type NearestExample = Schemas["ExampleView"];
export type OcclusionMap = Schemas["OcclusionMapView"];
export type NewProject = Schemas["NewProject"];
export type ParticleProject = Schemas["ParticleProjectView"];
export type PlateFilter = Schemas["PlateFilter"];
export type PlateMap = Schemas["PlateMap"];
export type PlateMapCell = Schemas["PlateMapCell"];
export type PlateOrder = Schemas["PlateOrder"];
export type PlateSummary = Schemas["PlateSummary"];
export type PlatesChanged = Schemas["PlatesChanged"];
export type Override = Schemas["OverrideRequest"];
export type Problem = Schemas["Problem"];
export type ReviewTask = Schemas["ReviewTaskView"];
export type RoleEvent = Schemas["RoleEventView"];
export type RecordedSession = Schemas["RecordedSessionView"];
export type Replay = Schemas["ReplayView"];
export type ReplayRequest = Schemas["ReplayRequest"];
export type ScoreRequest = Schemas["ScoreRequest"];
export type Scoring = Schemas["ScoringView"];
export type ScoreLineage = Schemas["ScoreLineageView"];
export type TrainingRun = Schemas["TrainingRunView"];
export type SessionHoles = Schemas["HolesView"];

export const client = createClient<paths>({ baseUrl: window.location.origin });

/** What the server said was wrong, and what to do about it. */
export class ApiError extends Error {
  readonly status: number;
  readonly remedy: string | null;

  constructor(status: number, detail: string, remedy: string | null = null) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.remedy = remedy;
  }
}

/** No answer at all: the server is gone or cannot be reached. */
export class UnreachableError extends Error {
  constructor(options?: ErrorOptions) {
    super("The server does not answer", options);
    this.name = "UnreachableError";
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "detail" in value && "title" in value;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The data of an answer.
 *
 * @throws {ApiError} the server refused; {UnreachableError} it did not answer.
 */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  let settled: Answer<T>;
  try {
    settled = await answer;
  } catch (error) {
    if (error instanceof TypeError) throw new UnreachableError({ cause: error });
    throw error;
  }
  const { data, error, response } = settled;
  if (response.ok && data !== undefined) return data;
  if (isProblem(error)) throw new ApiError(response.status, error.detail, error.remedy);
  throw new ApiError(response.status, `The server answered ${response.status} ${response.statusText}`.trim());
}

/** Mostly of one size, the one that importing makes: it is there at once, and the browser keeps it between pages. */
export const thumbnailUrl = (imageId: number, size?: number): string =>
  `/api/v1/images/${imageId}/thumbnail${size === undefined ? "" : `?size=${size}`}`;
export const deepZoomUrl = (imageId: number): string => `/api/v1/images/${imageId}/deepzoom.dzi`;
export const originalUrl = (imageId: number): string => `/api/v1/images/${imageId}/original`;
export const scoresUrl = (plateId: number, scoringId: number | undefined): string =>
  `/api/v1/plates/${plateId}/scores.csv${scoringId === undefined ? "" : `?scoring=${scoringId}`}`;

export const pictureUrl = (micrographId: number, size: number, lowPassPx = 0): string =>
  `/api/v1/particles/micrographs/${micrographId}/picture?size=${size}&low_pass_px=${lowPassPx}`;
export const maskUrl = (micrographId: number): string => `/api/v1/particles/micrographs/${micrographId}/mask`;
export const exportUrl = (projectId: number, format: string, threshold: number, names: string): string =>
  `/api/v1/particles/projects/${projectId}/export?format=${format}&threshold=${threshold}&names=${names}`;

/** Two sizes are enough: pictures that are asked for again are there at once. */
export const exposurePictureUrl = (exposureId: number, size = 256, fine = false): string =>
  `/api/v1/exposures/${exposureId}/picture?size=${size}${fine ? "&fine=true" : ""}`;
export const exposurePowerUrl = (exposureId: number, size = 256): string =>
  `/api/v1/exposures/${exposureId}/power?size=${size}`;
