// Anthropic's SDK for TypeScript: `anthropic-node.mjs CASE URL` runs one case and prints what came of it as JSON.
import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { z } from 'zod'

const [name, url] = process.argv.slice(2)
const client = new Anthropic({ baseURL: url, apiKey: 'any' }) // with its own two retries
const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const model = 'gemini-3-flash'
const question = 'What is the weather in Rome and Oslo? Use the tool.'
const thinking = { type: 'adaptive' }
const called = []
const Place = z.object({ city: z.string(), country: z.string().nullable(), tags: z.array(z.string()) })
const weather = {
  name: 'get_weather',
  description: 'Weather of a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}
const runnable = betaZodTool({
  name: 'get_weather',
  description: 'Weather of a city',
  inputSchema: z.object({ city: z.string() }),
  run: async ({ city }) => {
    called.push(city)
    return `18 degrees in ${city}`
  },
})
const asked = (content, more = {}) => ({ model, max_tokens: 4096, messages: [{ role: 'user', content }], ...more })
const of = (message, type) => message.content.filter((block) => block.type === type)
const given = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null))
const told = (message) => ({
  id: message.id,
  model: message.model,
  request: message._request_id,
  kinds: message.content.map(({ type }) => type),
  text: of(message, 'text').map(({ text }) => text).join(''),
  thinking: of(message, 'thinking').map(({ thinking }) => thinking),
  signed: of(message, 'thinking').map(({ signature }) => Boolean(signature)),
  calls: of(message, 'tool_use').map(({ name, input }) => [name, input]),
  stop: [message.stop_reason, message.stop_sequence],
  usage: given(message.usage),
})
// a stream through the SDK's helper: what it made of it, and what it saw on the way
const streamed = async (body) => {
  const seen = { text: [], thinking: [], input_json: [], signature: [] }
  const stream = client.messages.stream(body)
  stream.on('text', (delta) => seen.text.push(delta))
  stream.on('thinking', (delta) => seen.thinking.push(delta))
  stream.on('inputJson', (delta) => seen.input_json.push(delta))
  stream.on('signature', (signature) => seen.signature.push(signature))
  return { message: await stream.finalMessage(), seen }
}
const accumulated = async (body) => {
  const { message, seen } = await streamed(body)
  return { ...told(message), seen }
}
// two rounds, the blocks of the first sent back as they came: what reached Google
const history = async (more) => {
  const first = asked('What is the weather in Lima? Use the tool.', { tools: [weather], ...more })
  const { message } = await streamed(first)
  const results = of(message, 'tool_use').map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: '18 degrees' }))
  const messages = [
    ...first.messages,
    { role: 'assistant', content: message.content },
    { role: 'user', content: [...results, { type: 'text', text: 'sim:echo' }] },
  ]
  return { ...told(await client.messages.create({ ...first, messages })), first: told(message) }
}
const failed = (call) =>
  call.then(
    () => null,
    ({ constructor, status, error, requestID }) => ({
      name: constructor.name,
      status,
      type: error?.error?.type,
      message: error?.error?.message,
      request: requestID,
    }),
  )
const run = async (stream) => {
  const runner = client.beta.messages.toolRunner({ ...asked(question, { thinking }), tools: [runnable], stream })
  const messages = []
  for await (const one of runner) messages.push(told(stream ? await one.finalMessage() : one))
  return { kinds: messages.map(({ kinds }) => kinds), text: messages.at(-1).text, called }
}

const cases = {
  create: async () => told(await client.messages.create(asked('Why is the sky blue?', { system: 'Be brief.', thinking }))),
  stream: () => accumulated(asked('sim:think', { thinking })),
  unicode: () => accumulated(asked('sim:unicode')),
  parallel: () => accumulated(asked('sim:parallel', { tools: [weather], thinking })),
  no_arguments: () => {
    const tools = [{ name: 'now', input_schema: { type: 'object', properties: {} } }]
    return accumulated(asked('sim:tool-noargs', { tools }))
  },
  history: () => history(),
  history_of_thoughts: () => history({ thinking }),
  history_of_omitted_thoughts: () => history({ thinking: { ...thinking, display: 'omitted' } }),
  history_of_claude: () => history({ model: 'claude-sonnet-4-6', thinking: { type: 'enabled', budget_tokens: 2048 } }),
  runner: () => run(false),
  runner_streamed: () => run(true),
  async parse() {
    const message = await client.messages.parse(asked('A place: Rome', { output_config: { format: zodOutputFormat(Place) } }))
    return { parsed: message.parsed_output, stop: message.stop_reason }
  },
  async parse_streamed() {
    const { message } = await streamed(asked('A place: Rome', { output_config: { format: zodOutputFormat(Place) } }))
    return { parsed: message.parsed_output, stop: message.stop_reason }
  },
  async forced() {
    const tool_choice = { type: 'tool', name: 'get_weather' }
    return told(await client.messages.create(asked('Hello in Rome', { tools: [weather], tool_choice })))
  },
  async one_call() {
    const tool_choice = { type: 'auto', disable_parallel_tool_use: true }
    return told(await client.messages.create(asked('sim:parallel', { tools: [weather], tool_choice })))
  },
  stop_sequence: () => accumulated(asked('sim:text', { stop_sequences: ['never', 'several '] })),
  max_tokens: () => accumulated(asked('sim:max-tokens')),
  warm_up: async () => told(await client.messages.create({ ...asked('sim:500'), max_tokens: 0 })),
  refusal: () => accumulated(asked('sim:safety')),
  // a tool whose schema only the client and the server know
  client_tools: () => accumulated(asked('sim:tool', { tools: [{ type: 'bash_20250124', name: 'bash' }] })),
  // search results with citations, and both sent back
  async search() {
    const body = asked('sim:grounding', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] })
    const { message } = await streamed(body)
    const messages = [...body.messages, { role: 'assistant', content: message.content }, { role: 'user', content: 'sim:echo' }]
    const texts = of(message, 'text')
    return {
      kinds: message.content.map(({ type }) => type),
      found: of(message, 'web_search_tool_result')[0].content.map((result) => result.url),
      cited: texts.flatMap(({ citations }) => (citations ?? []).map((cite) => [cite.url, cite.cited_text])),
      texts: texts.map(({ text }) => text),
      text: told(await client.messages.create({ ...body, messages })).text,
      usage: given(message.usage),
    }
  },
  async media() {
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: dot } }
    const paper = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0xLjQK' } }
    return told(await client.messages.create(asked([picture, paper, { type: 'text', text: 'sim:echo' }])))
  },
  // twenty-five at once, as a client shows where its context goes
  async count() {
    const plain = { model, messages: asked('Why is the sky blue?').messages }
    const more = { ...plain, system: 'Be brief. '.repeat(50), tools: [weather] }
    const counts = Array.from({ length: 25 }, (_, at) => client.messages.countTokens(at ? more : plain))
    return (await Promise.all(counts)).map(({ input_tokens }) => input_tokens)
  },
  async models() {
    const names = []
    for await (const { id } of client.models.list({ limit: 3 })) names.push(id)
    const { id, type, display_name } = await client.models.retrieve(model)
    return { names, one: [id, type, display_name], unknown: await failed(client.models.retrieve('x')) }
  },
  batches: () => failed(client.messages.batches.create({ requests: [{ custom_id: 'one', params: asked('hi') }] })),
  // a stream that fails on its way
  async failing() {
    const texts = []
    const stream = client.messages.stream(asked('sim:503-mid'))
    stream.on('text', (delta) => texts.push(delta))
    return stream.finalMessage().catch((error) => ({ texts, name: error.constructor.name, message: error.message }))
  },
}
const said = name.startsWith('sim:') ? failed(client.messages.create(asked(name))) : cases[name]()
console.log(JSON.stringify(await said))
