/** Settings of a home about devices, and what an inference process needs for one: types alone, for whom they would make a cycle otherwise. */

export interface DeviceSettings {
  /** Where models run unless somebody says (`inference.device`). @default the CPU */
  readonly device?: string | undefined
  /** Folder with libraries of ONNX Runtime that its package does not have (`inference.libraryFolder`) */
  readonly libraryFolder?: string | undefined
}

export type Accelerator = Pick<DeviceSettings, 'libraryFolder'>
