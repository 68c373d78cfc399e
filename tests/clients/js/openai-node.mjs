// openai-node: `openai-node.mjs KIND-CASE URL` runs one case and prints what came of it as JSON.
import OpenAI from 'openai'
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'

const [name, url] = process.argv.slice(2)
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 })
const model = 'gemini-3-flash'
const question = 'What is the weather in Rome and Oslo? Use the tool.'
const called = []
const Place = z.object({ city: z.string(), country: z.string().nullable(), tags: z.array(z.string()) })
const weather = zodFunction({
  name: 'get_weather',
  parameters: z.object({ city: z.string() }),
  function: async ({ city }) => {
    called.push(city)
    return `18 degrees in ${city}`
  },
})
const messages = [{ role: 'user', content: question }]

const cases = {
  async 'chat-runTools'() {
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather] })
    const text = await runner.finalContent()
    return { text, called, roles: runner.messages.map(({ role }) => role), usage: await runner.totalUsage() }
  },
  async 'chat-runToolsStream'() {
    const deltas = []
    const stream_options = { include_usage: true }
    const runner = client.chat.completions.runTools({ model, messages, tools: [weather], stream: true, stream_options })
    runner.on('content', (delta) => deltas.push(delta))
    const text = await runner.finalContent()
    return { text, called, deltas, roles: runner.messages.map(({ role }) => role), usage: await runner.totalUsage() }
  },
  async 'chat-stream'() {
    const seen = []
    const stream = client.chat.completions.stream({
      model,
      messages: [{ role: 'user', content: 'A place: Rome' }],
      response_format: zodResponseFormat(Place, 'place'),
    })
    for (const event of ['content.delta', 'content.done', 'refusal.done']) stream.on(event, () => seen.push(event))
    const completion = await stream.finalChatCompletion()
    const [{ finish_reason, message }] = completion.choices
    return { parsed: message.parsed, finish_reason, seen: [...new Set(seen)] }
  },
  async 'chat-parse'() {
    const completion = await client.chat.completions.parse({
      model,
      messages: [{ role: 'user', content: 'A place: Rome' }],
      response_format: zodResponseFormat(Place, 'place'),
    })
    return completion.choices[0].message.parsed
  },
  async 'responses-stream'() {
    const kinds = []
    const deltas = []
    const tools = [{ type: 'function', name: 'get_weather', strict: true, parameters: {
      type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false } }]
    const stream = client.responses.stream({ model, input: question, tools, reasoning: { summary: 'auto' } })
    stream.on('event', ({ type }) => kinds.push(type))
    stream.on('response.function_call_arguments.delta', ({ delta }) => deltas.push(delta))
    const response = await stream.finalResponse()
    const outputs = response.output.filter(({ type }) => type === 'function_call')
    const input = outputs.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: '18 degrees' }))
    const second = client.responses.stream({ model, input, tools, previous_response_id: response.id })
    return {
      first: kinds[0],
      last: kinds.at(-1),
      output: response.output.map(({ type }) => type),
      args: outputs.map((item) => JSON.parse(item.arguments)),
      deltas: deltas.join(''),
      text: (await second.finalResponse()).output_text,
    }
  },
  async 'responses-resumed'() {
    // a stream that is left after its first events, and taken up again by its number
    const stream = await client.responses.create({ model, input: 'Tell me', background: true, stream: true })
    let id, number
    for await (const event of stream) {
      if (event.type === 'response.created') id = event.response.id
      number = event.sequence_number
      if (number === 3) break
    }
    const rest = client.responses.stream({ response_id: id, starting_after: number })
    const numbers = []
    rest.on('event', ({ sequence_number }) => numbers.push(sequence_number))
    const response = await rest.finalResponse()
    return { numbers, status: response.status, text: response.output_text }
  },
  async 'responses-parse'() {
    const text = { format: zodTextFormat(Place, 'place') }
    return (await client.responses.parse({ model, input: 'A place: Rome', text })).output_parsed
  },
  async 'responses-stored'() {
    const made = await client.responses.create({ model, input: 'hi' })
    const got = await client.responses.retrieve(made.id)
    const items = []
    for await (const item of client.responses.inputItems.list(made.id)) items.push(item.type)
    await client.responses.delete(made.id)
    const gone = await client.responses.retrieve(made.id).catch((error) => [error.constructor.name, error.status])
    return { same: got.output_text === made.output_text, items, gone }
  },
  async 'responses-error'() {
    const create = client.responses.create({ model, input: 'sim:429' })
    return create.catch(({ constructor, status, code, requestID }) => ({ name: constructor.name, status, code, requestID }))
  },
}
console.log(JSON.stringify(await cases[name]()))
