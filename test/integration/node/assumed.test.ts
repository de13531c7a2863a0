import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bundledPrior, pictures, startNode, temporaryFolder } from '../../helpers/test-node.ts'

test('what a node assumes of the images of a prior is said while it joins, and stands in the report', async () => {
  const model = join(await temporaryFolder(), 'alone.onnx')
  await copyFile(join(bundledPrior('superclass2'), 'model.onnx'), model)
  const [publisher, lab] = await Promise.all([startNode(), startNode()])
  const { invite } = await publisher.publish(await pictures())
  const report = await lab.join(invite, model)
  const assumed = expect.stringMatching(/^assumed, no settings were found: ImageNet's usual mean/) as string
  expect(report).toMatchObject({ prior: 'alone', complete: true, assumed: [assumed] })
  expect(lab.events).toContainEqual({
    type: 'log',
    level: 'warn',
    message: `prior "alone": ${report.assumed?.join()}`
  })
  expect(lab.events).toContainEqual({
    type: 'log',
    level: 'info',
    message: 'prior "alone": its feature is output "feature", by its name'
  })
})
